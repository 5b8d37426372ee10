"""Whether a client takes what a route answers in (RFC 9110, 12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotAcceptableError

if TYPE_CHECKING:
    from flask import Request

JSON_TYPE = "application/json"
ANYTHING = "*/*"


def require_acceptable(request: Request, content_type: str = JSON_TYPE) -> None:
    """Raise `NotAcceptableError` when the request's `Accept` leaves `content_type` out.

    A client that names none takes all. Errors are sent as JSON to everybody.
    """
    accept = request.headers.get("Accept")
    if accept is None or accept in {ANYTHING, content_type, ""}:  # parsing costs more than all the rest
        return
    if not request.accept_mimetypes.quality(content_type.partition(";")[0].strip()):
        raise NotAcceptableError(f"This route answers in {content_type} only.")
