"""What the answers of a cached view say of themselves: `Cache-Status` (RFC 9211), `Age`, `Vary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._entity_tags import has_tag
from .stored_response import add_vary, replay, replay_unchanged

if TYPE_CHECKING:
    from flask import Request, Response

    from .rules import ViewRule
    from .stored_response import StoredResponse

MIN_ERROR_STATUS = 400


def kept_answer(
    asked: Request, stored: StoredResponse, rule: ViewRule, *, now: float, said: str = "hit"
) -> Response:
    """The kept response, or 304 for a client that has it; `now` in seconds since the epoch."""
    age = now - stored.stored_at
    extra = [
        ("Age", str(max(0, int(age)))),
        ("Cache-Status", f"{rule.cache_name}; {said}; ttl={int(rule.declared.ttl_seconds - age)}"),
    ]
    if "HTTP_IF_NONE_MATCH" in asked.environ and has_tag(asked.if_none_match, stored.etag):
        return replay_unchanged(stored, extra)
    return replay(stored, extra)


def marked(response: Response, rule: ViewRule, said: str) -> Response:
    """A response that is not kept: other caches have to know all the same by what the view's responses differ."""
    if response.status_code < MIN_ERROR_STATUS:
        add_vary(response, rule.declared.vary)
    response.headers.add("Cache-Status", f"{rule.cache_name}; {said}")
    return response


def cache_name(app_name: str) -> str:
    """The name of an app as a string of structured fields (RFC 8941, 3.3.3)."""
    plain = "".join(character for character in app_name if " " <= character <= "~" and character not in '"\\')
    return f'"{plain or "app"}"'
