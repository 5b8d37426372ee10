"""Whether a client takes what a route answers in (RFC 9110, 12.5.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ..errors import NotAcceptableError
from .view_table import record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Request

JSON_TYPE = "application/json"
ANYTHING = "*/*"


def require_acceptable(request: Request, content_type: str = JSON_TYPE) -> None:
    """Raise `NotAcceptableError` when the request's `Accept` leaves out `content_type` and all else the view documents.

    A client that names none takes all. Errors are sent as JSON to everybody.
    """
    accept = request.environ.get("HTTP_ACCEPT")
    if accept is None or accept in {ANYTHING, content_type, ""}:  # parsing costs more than all the rest
        return
    offered = record_of(request).media_types | {bare_type(content_type)}
    if not _takes_one_of(accept, offered):
        raise NotAcceptableError(f"This route answers in {', '.join(sorted(offered))} only.")


def bare_type(content_type: str) -> str:
    """A media type without its parameters: no `charset` or `version` makes JSON something else."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)  # clients send few different ones, and parsing costs a third of a request
def _takes_one_of(accept: str, offered: frozenset[str]) -> bool:
    wanted = [(bare_type(kind), quality) for kind, quality in parse_accept_header(accept, MIMEAccept)]
    return not wanted or any(_quality(kind, wanted) for kind in offered)


def _quality(kind: str, wanted: Iterable[tuple[str, float]]) -> float:
    """That of the most specific range that `kind` is in."""
    ranges = (kind, kind.partition("/")[0] + "/*", ANYTHING)
    for media_range in ranges:
        found = [quality for name, quality in wanted if name == media_range]
        if found:
            return max(found)
    return 0
