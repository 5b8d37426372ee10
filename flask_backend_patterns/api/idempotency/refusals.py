"""The refusals that idempotency keys bring."""

from __future__ import annotations

from typing import Any

from ...errors import AppError, BadRequestError, ConflictError
from .declaration import KEY_HEADER, MAX_KEY_LENGTH

RETRY_AFTER_SECONDS = 1


class IdempotencyMismatchError(AppError):
    """The key was used for another request."""

    kind = "conflict"
    refused = True
    status = 422
    code = "IDEMPOTENCY_MISMATCH"
    default_message = "This Idempotency-Key was used for another request; choose a new key."


def missing_key() -> BadRequestError:
    """The view insists on a key and none was sent."""
    message = "Send an Idempotency-Key header, a new one for each operation."
    return BadRequestError(message, code="IDEMPOTENCY_KEY_MISSING", details=_about_header(message))


def malformed_key() -> BadRequestError:
    """The header holds no key, or several."""
    message = f"Send one Idempotency-Key of 1 to {MAX_KEY_LENGTH} printable ASCII characters; in quotes if it has a space or one of , ; \\."
    return BadRequestError(message, details=_about_header(message))


def in_progress() -> ConflictError:
    """The first request with the key is still at work."""
    return ConflictError(
        "A request with this Idempotency-Key is still being processed; send it again a little later.",
        code="IDEMPOTENCY_IN_PROGRESS",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def mismatch() -> IdempotencyMismatchError:
    """The key belongs to a request with another body, query or content type."""
    return IdempotencyMismatchError(details=_about_header("Was used for another request."))


def _about_header(message: str) -> list[dict[str, Any]]:
    return [{"field": KEY_HEADER, "in": "headers", "message": message}]
