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
    "AppError",
    "BackendPatterns",
    "BadRequestError",
    "Blueprint",
    "CacheError",
    "ConfigError",
    "ConflictError",
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
    "Page",
    "PageRequest",
    "PayloadTooLargeError",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "RateLimitError",
    "ServiceUnavailableError",
    "SetupError",
    "ThirdPartyAPIError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
    "ValidationError",
    "conditional",
    "deprecated",
    "idempotent",
    "matched_version",
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
_HOMES = {"BackendPatterns": ".extension", "ConfigError": "._config", "SetupError": "._config"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".api" if name in _FROM_API else _HOMES.get(name, ".errors")
    value = globals()[name] = getattr(import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
