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
    "UnsupportedMediaTypeError",
    "UserAttributes",
    "UserMixin",
    "ValidationError",
    "auth_tables",
    "can",
    "conditional",
    "current_actor",
    "deprecated",
    "hash_password",
    "idempotent",
    "issue_tokens",
    "login_blueprint",
    "matched_version",
    "not_own",
    "oauth_blueprint",
    "owns",
    "policy",
    "public",
    "require_auth",
    "require_permission",
    "require_policy",
    "require_role",
    "revoke_tokens",
    "route_table",
    "scope_for",
    "verify_password",
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
_HOMES = {
    "RouteEntry": ".audit",
    "route_table": ".audit",
    "BackendPatterns": ".extension",
    "ConfigError": "._config",
    "SetupError": "._config",
    "login_blueprint": ".auth.login",
    "oauth_blueprint": ".auth.oauth",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".api" if name in _FROM_API else ".auth" if name in _FROM_AUTH else _HOMES.get(name, ".errors")
    value = globals()[name] = getattr(import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
