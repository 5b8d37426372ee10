"""flask-backend-patterns: what production back ends need, for any Flask app.

Names are imported when they are first asked for: pytest loads a part of this package (its plugin) into every run of every
user, who need not pay for the rest there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._config import ConfigError, SetupError
    from .api import (
        Blueprint,
        CursorPage,
        Filter,
        FilterSet,
        Format,
        Page,
        PageRequest,
        conditional,
        deprecated,
        idempotent,
        matched_version,
    )
    from .audit import RouteEntry, route_table
    from .auth import (
        Actor,
        Context,
        Notification,
        Permissions,
        SQLAlchemyUsers,
        UserAttributes,
        UserMixin,
        auth_tables,
        can,
        current_actor,
        hash_password,
        issue_tokens,
        not_own,
        owns,
        policy,
        public,
        require_auth,
        require_permission,
        require_policy,
        require_role,
        revoke_tokens,
        scope_for,
        verify_password,
    )
    from .auth.login import login_blueprint
    from .auth.oauth import oauth_blueprint
    from .cache import (
        NotStored,
        UncacheableValueError,
        UnstableKeyError,
        cached,
        get_many_or_load,
        get_or_load,
        get_or_load_async,
        invalidate,
        invalidate_after_commit,
        memo,
        watch_changes,
        write_through,
        write_through_after_commit,
    )
    from .cache.view_cache import cache_control, cached_view
    from .errors import (
        AppError,
        BadRequestError,
        CacheError,
        ConflictError,
        DatabaseError,
        DeadlineExceededError,
        ErrorContext,
        ForbiddenError,
        InternalError,
        InvalidInputError,
        InvalidTokenError,
        MethodNotAllowedError,
        NetworkError,
        NotAcceptableError,
        NotFoundError,
        PayloadTooLargeError,
        PreconditionFailedError,
        PreconditionRequiredError,
        RateLimitError,
        ServiceUnavailableError,
        ThirdPartyAPIError,
        UnauthorizedError,
        UnsupportedMediaTypeError,
        ValidationError,
    )
    from .extension import BackendPatterns
    from .limits import login_limit, rate_limit

__all__ = [
    "Actor",
    "AppError",
    "BackendPatterns",
    "BadRequestError",
    "Blueprint",
    "CacheError",
    "ConfigError",
    "ConflictError",
    "Context",
    "CursorPage",
    "DatabaseError",
    "DeadlineExceededError",
    "ErrorContext",
    "Filter",
    "FilterSet",
    "ForbiddenError",
    "Format",
    "InternalError",
    "InvalidInputError",
    "InvalidTokenError",
    "MethodNotAllowedError",
    "NetworkError",
    "NotAcceptableError",
    "NotFoundError",
    "NotStored",
    "Notification",
    "Page",
    "PageRequest",
    "PayloadTooLargeError",
    "Permissions",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "RateLimitError",
    "RouteEntry",
    "SQLAlchemyUsers",
    "ServiceUnavailableError",
    "SetupError",
    "ThirdPartyAPIError",
    "UnauthorizedError",
    "UncacheableValueError",
    "UnstableKeyError",
    "UnsupportedMediaTypeError",
    "UserAttributes",
    "UserMixin",
    "ValidationError",
    "auth_tables",
    "cache_control",
    "cached",
    "cached_view",
    "can",
    "conditional",
    "current_actor",
    "deprecated",
    "get_many_or_load",
    "get_or_load",
    "get_or_load_async",
    "hash_password",
    "idempotent",
    "invalidate",
    "invalidate_after_commit",
    "issue_tokens",
    "login_blueprint",
    "login_limit",
    "matched_version",
    "memo",
    "not_own",
    "oauth_blueprint",
    "owns",
    "policy",
    "public",
    "rate_limit",
    "require_auth",
    "require_permission",
    "require_policy",
    "require_role",
    "revoke_tokens",
    "route_table",
    "scope_for",
    "verify_password",
    "watch_changes",
    "write_through",
    "write_through_after_commit",
]

_FROM_API = {
    "Blueprint",
    "CursorPage",
    "Filter",
    "FilterSet",
    "Format",
    "Page",
    "PageRequest",
    "conditional",
    "deprecated",
    "idempotent",
    "matched_version",
}
_FROM_AUTH = {
    "Actor",
    "Context",
    "Notification",
    "Permissions",
    "SQLAlchemyUsers",
    "UserAttributes",
    "UserMixin",
    "auth_tables",
    "can",
    "current_actor",
    "hash_password",
    "issue_tokens",
    "not_own",
    "owns",
    "policy",
    "public",
    "require_auth",
    "require_permission",
    "require_policy",
    "require_role",
    "revoke_tokens",
    "scope_for",
    "verify_password",
}
_FROM_CACHE = {
    "NotStored",
    "UncacheableValueError",
    "UnstableKeyError",
    "cached",
    "get_many_or_load",
    "get_or_load",
    "get_or_load_async",
    "invalidate",
    "invalidate_after_commit",
    "memo",
    "watch_changes",
    "write_through",
    "write_through_after_commit",
}
_HOMES = {
    "RouteEntry": ".audit",
    "route_table": ".audit",
    "BackendPatterns": ".extension",
    "ConfigError": "._config",
    "SetupError": "._config",
    "login_blueprint": ".auth.login",
    "oauth_blueprint": ".auth.oauth",
    "cache_control": ".cache.view_cache",
    "cached_view": ".cache.view_cache",
    "login_limit": ".limits",
    "rate_limit": ".limits",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, ".errors")
    for package, exported in ((".api", _FROM_API), (".auth", _FROM_AUTH), (".cache", _FROM_CACHE)):
        if name in exported:
            home = package
    value = globals()[name] = getattr(import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
