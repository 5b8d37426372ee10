"""The exception tree: every failure a client can be told about.

::

    AppError
     ├─ BadRequestError 400          ├─ RateLimitError 429
     │   └─ MalformedJSONError 400   └─ system errors
     ├─ UnauthorizedError 401            ├─ InternalError 500
     │   └─ InvalidTokenError 401        ├─ ThirdPartyAPIError 502
     ├─ ForbiddenError 403               ├─ UnavailableError 503
     ├─ NotFoundError 404                │   ├─ DatabaseError
     ├─ MethodNotAllowedError 405        │   ├─ CacheError
     ├─ NotAcceptableError 406           │   ├─ NetworkError
     ├─ ConflictError 409                │   └─ ServiceUnavailableError
     ├─ PreconditionFailedError 412      └─ DeadlineExceededError 504
     ├─ PayloadTooLargeError 413
     ├─ UnsupportedMediaTypeError 415
     ├─ ValidationError 422
     │   └─ InvalidInputError 422
     └─ PreconditionRequiredError 428

Users subclass any of them and set `status`, `code` and `default_message` on the class.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_RETRY_AFTER_SECONDS = 5


def _complete(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A detail that every format can show."""
    complete = {**detail, "message": str(detail.get("message", ""))}
    if "field" in complete:
        complete["field"] = str(complete["field"])
    return complete


class AppError(Exception):
    """A failure with an answer: `status`, `code`, `message` and `details` are shown to the client, nothing else is.

    `details` are mappings with `message`, usually `field` (a dotted path, `items.0.quantity`) and `in` when the field
    is not in the body; their `kind` (`required`, `too_short`) is for error formats of your own and not shown by ours.
    `resource` names what the error is about (`article`). `headers` go on the response. The exception's cause is logged,
    never shown.

    `kind` is the category, the same for every code: `not_found` also where a subclass says `NO_SUCH_ARTICLE`.
    `refused` says that nothing was done yet when it was raised: the same request may be sent again. `is_logged` says
    whether each of them is worth an `error` event beside the request's own.
    """

    status: int = 500
    code: str = "INTERNAL_ERROR"
    kind: ClassVar[str] = "internal"
    refused: ClassVar[bool] = False
    is_logged: ClassVar[bool] = True
    default_message: ClassVar[str] = "An unexpected error occurred."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        details: Iterable[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        resource: str | None = None,
    ) -> None:
        self.message = self.default_message if message is None else message
        self.resource = resource
        if code is not None:
            self.code = code
        self.details = tuple(_complete(detail) for detail in details)
        self.headers = dict(headers or {})
        super().__init__(self.message)


class BadRequestError(AppError):
    """The request cannot be understood."""

    kind = "bad_request"
    status = 400
    code = "BAD_REQUEST"
    default_message = "The request could not be understood."


class MalformedJSONError(BadRequestError):
    """The body is declared as JSON and is not."""

    kind = "malformed"
    refused = True
    code = "MALFORMED_JSON"
    default_message = "The request body is not valid JSON."


class UnauthorizedError(AppError):
    """No valid credentials; answered with a `WWW-Authenticate` challenge (RFC 9110, 11.6.1)."""

    kind = "unauthorized"
    refused = True
    status = 401
    code = "UNAUTHORIZED"
    default_message = "Authentication is required."

    def __init__(self, message: str | None = None, *, scheme: str = "Bearer", **options: Any) -> None:
        super().__init__(message, **options)
        self.scheme = scheme
        self.headers.setdefault("WWW-Authenticate", self.challenge())

    def challenge(self) -> str:
        """The value of `WWW-Authenticate`."""
        return self.scheme


class InvalidTokenError(UnauthorizedError):
    """A token was sent and does not count; code `TOKEN_EXPIRED` or `TOKEN_REVOKED` where that is the reason."""

    kind = "invalid_token"
    code = "INVALID_TOKEN"
    default_message = "The token is invalid."

    def challenge(self) -> str:
        """The challenge with the error of RFC 6750, 3.1."""
        return f'{self.scheme} error="invalid_token"'


class ForbiddenError(AppError):
    """The caller is known and may not do this; `permission` names what is missing, for the log."""

    kind = "forbidden"
    refused = True
    status = 403
    code = "FORBIDDEN"
    default_message = "You are not allowed to do this."

    def __init__(self, message: str | None = None, *, permission: str | None = None, **options: Any) -> None:
        super().__init__(message, **options)
        self.permission = permission


class NotFoundError(AppError):
    """What was asked for does not exist, or its existence is not the caller's business."""

    kind = "not_found"
    status = 404
    code = "NOT_FOUND"
    default_message = "The requested resource was not found."


class MethodNotAllowedError(AppError):
    """The route exists and does not take this method; `allowed` are those it takes, sent as `Allow`."""

    kind = "method_not_allowed"
    refused = True
    status = 405
    code = "METHOD_NOT_ALLOWED"
    default_message = "The method is not allowed for the requested URL."

    def __init__(self, message: str | None = None, *, allowed: Sequence[str] = (), **options: Any) -> None:
        super().__init__(message, **options)
        self.allowed = tuple(allowed)
        if self.allowed:
            self.headers.setdefault("Allow", ", ".join(self.allowed))


class NotAcceptableError(AppError):
    """The client accepts none of the media types that the route answers in (RFC 9110, 15.5.7)."""

    kind = "not_acceptable"
    refused = True
    status = 406
    code = "NOT_ACCEPTABLE"
    default_message = "None of the media types you accept can be sent."


class ConflictError(AppError):
    """The request contradicts what is stored."""

    kind = "conflict"
    status = 409
    code = "CONFLICT"
    default_message = "The request conflicts with the current state."


class PreconditionFailedError(AppError):
    """`If-Match` or its kin did not hold (RFC 9110, 13)."""

    kind = "precondition_failed"
    status = 412
    code = "PRECONDITION_FAILED"
    default_message = "The resource has changed since it was read."


class PayloadTooLargeError(AppError):
    """The body is larger than the route takes."""

    kind = "too_large"
    refused = True
    status = 413
    code = "PAYLOAD_TOO_LARGE"
    default_message = "The request body is too large."


class UnsupportedMediaTypeError(AppError):
    """The body's `Content-Type` is not one the route reads."""

    kind = "unsupported_media_type"
    refused = True
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    default_message = "The Content-Type of the request body is not supported."


class ValidationError(AppError):
    """Well formed input that breaks a rule; `details` say which field and why. The status can be set to 400."""

    kind = "invalid"
    status = 422
    code = "VALIDATION_ERROR"
    default_message = "Invalid input data"


class InvalidInputError(ValidationError):
    """Input that was refused while it was read, before the view was called."""

    refused = True


class PreconditionRequiredError(AppError):
    """The route insists on a conditional request (RFC 6585, 3)."""

    kind = "precondition_required"
    refused = True
    status = 428
    code = "PRECONDITION_REQUIRED"
    default_message = "This request needs an If-Match header."


class _RetryableError(AppError):
    """A failure that passes; `retry_after` is in seconds and sent as `Retry-After`."""

    def __init__(
        self, message: str | None = None, *, retry_after: float = DEFAULT_RETRY_AFTER_SECONDS, **options: Any
    ) -> None:
        super().__init__(message, **options)
        self.retry_after = retry_after
        self.headers.setdefault("Retry-After", str(math.ceil(retry_after)))


class RateLimitError(_RetryableError):
    """Too many requests; `retry_after` seconds from now there is room again."""

    kind = "rate_limited"
    refused = True
    is_logged = False  # a flood of requests would be a flood of events
    status = 429
    code = "RATE_LIMIT_EXCEEDED"
    default_message = "Too many requests."

    def __str__(self) -> str:
        """For logs and failed jobs: which limit, and when to come back."""
        told = " ".join([self.message, *(str(detail["message"]) for detail in self.details)])
        if "Retry-After" not in self.headers:
            return told
        return f"{told} There is room in {math.ceil(self.retry_after)} s."


class InternalError(AppError):
    """A fault of ours that nobody foresaw."""


class ThirdPartyAPIError(AppError):
    """A service we call answered with an error or with nonsense."""

    kind = "third_party"
    status = 502
    code = "THIRD_PARTY_ERROR"
    default_message = "A service we depend on failed."


class UnavailableError(_RetryableError):
    """Something the route needs is away for now."""

    kind = "unavailable"
    status = 503
    code = "SERVICE_UNAVAILABLE"
    default_message = "The service is temporarily unavailable."


class ServiceUnavailableError(UnavailableError):
    """The service as a whole, or one it needs, is away; code `OVERLOADED` when it sheds load."""


class DatabaseError(UnavailableError):
    """The database cannot be reached, or gave up for a reason that passes."""

    code = "DATABASE_ERROR"
    default_message = "The database is temporarily unavailable."


class CacheError(UnavailableError):
    """Redis cannot be reached, on a route that cannot do without it.

    `is_outage` is False when Redis has answered with an error: then each of them has its `error` event, while those of
    an outage have one in ten seconds, with the number of those held back.
    """

    is_outage: bool = True


class NetworkError(UnavailableError):
    """Another host cannot be reached."""

    code = "NETWORK_ERROR"
    default_message = "A service we depend on cannot be reached."


class DeadlineExceededError(AppError):
    """Something took longer than it was given."""

    kind = "deadline_exceeded"
    status = 504
    code = "DEADLINE_EXCEEDED"
    default_message = "The request took too long."


ERRORS_BY_STATUS: dict[int, type[AppError]] = {
    error.status: error
    for error in (
        BadRequestError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        MethodNotAllowedError,
        NotAcceptableError,
        ConflictError,
        PreconditionFailedError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        ValidationError,
        PreconditionRequiredError,
        RateLimitError,
        InternalError,
        ThirdPartyAPIError,
        ServiceUnavailableError,
        DeadlineExceededError,
    )
}
