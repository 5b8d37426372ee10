"""What the routes answer browsers with: redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import current_app, request

if TYPE_CHECKING:
    from flask import Response

JSON_TYPE = "application/json"
SEE_OTHER = 303


def wants_json() -> bool:
    """Whether the client asks for JSON rather than a page; browsers, and clients that take anything, do not."""
    accepted = request.accept_mimetypes
    return accepted.quality(JSON_TYPE) > accepted.quality("text/html")


def browser_answer(location: str) -> Response:
    """A redirect that is followed by GET."""
    response = current_app.response_class(status=SEE_OTHER)
    response.headers["Location"] = location
    del response.headers["Content-Type"]
    # The address of this page has the code in it.
    response.headers["Referrer-Policy"] = "no-referrer"
    return unstored(response)


def failure_location(path: str, code: str) -> str:
    """`path` with `?error=CODE`."""
    return path + ("&" if "?" in path else "?") + urlencode({"error": code})


def unstored(response: Response) -> Response:
    """The same, kept by no cache."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response
