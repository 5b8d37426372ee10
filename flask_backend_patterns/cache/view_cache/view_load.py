"""One run of a view whose response may be kept, as a step of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._entity_tags import PUT_TAG_KEY, has_tag
from ..._finished import finished
from ...errors import translate
from ..policy import NotStored
from ..single_flight import Failure
from ..uncommitted import sees_uncommitted
from .answers import marked
from .privacy import UNCOMMITTED, Watch
from .stored_response import STATUS, StoredResponse, capture, reason_against, replay_unchanged

if TYPE_CHECKING:
    from collections.abc import Generator

    from flask import Request, Response

    from ..aside import CacheAside, Call
    from .rules import ViewRule

# An answer by which the origin says that it could not (RFC 5861, 4).
FAILURES: Final = frozenset({500, 502, 503, 504})


class FailedResponseError(Exception):
    """The view has answered that it failed."""


class ViewLoad:
    """What came of it: `stored`, or `error`, or a response that is not kept (`reason`), or that failed."""

    def __init__(self, engine: CacheAside, asked: Request, rule: ViewRule, call: Call) -> None:
        self.call = call
        self.asked = asked
        self.rule = rule
        self.is_over = False
        self.has_failed = False
        self.reason: str | None = None
        self._engine = engine
        self._error: Exception | None = None
        self._response: Response | None = None
        self._stored: StoredResponse | None = None

    @property
    def may_fill(self) -> bool:
        """What a HEAD or a part is answered with is no answer to GET."""
        return self.asked.method == "GET" and "HTTP_RANGE" not in self.asked.environ

    @property
    def is_kept(self) -> bool:
        """Whether the response is one to be kept."""
        return self._stored is not None

    def run(self) -> Generator[None, Any, Any]:
        """Yields for the view, and returns what the engine wants to know."""
        watch = Watch(self.asked)
        self.is_over = True
        try:
            value = yield
            response = self._response = finished(value, "cached_view")
        except Exception as error:  # noqa: BLE001 - raised again by `response`, or an old response serves
            self._error = error
            self.has_failed = _is_failure(error)
            self.reason = STATUS
            return Failure(error) if self.has_failed else NotStored(None)
        if response.status_code in FAILURES:
            self.has_failed = True
            self.reason = STATUS
            return Failure(FailedResponseError(response.status))
        vary = self.rule.declared.vary
        self.reason = watch.reason_against(self.rule) or reason_against(
            response, vary, max_bytes=self._engine.settings.max_value_bytes
        )
        if self.reason is None and sees_uncommitted():
            self.reason = UNCOMMITTED
        if self.reason is not None:
            return NotStored(None)
        put_tag = self.asked.environ.get(PUT_TAG_KEY)
        if put_tag is not None:
            put_tag(response, value)
        self._stored = capture(response, vary, self._engine.wall_clock())
        return self._stored

    def response(self) -> Response:
        """What the view has answered; raises what it has raised."""
        if self._error is not None:
            raise self._error
        response, stored = self._response, self._stored
        if response is None:
            raise RuntimeError("The view has not run.")
        if stored is None:
            detail = "" if self.reason is None else f"; detail={self.reason}"
            return marked(response, self.rule, f"fwd=miss{detail}")
        is_away = getattr(self._engine.store, "is_away", False)
        said = f"{self.rule.cache_name}; fwd=miss{'' if is_away else '; stored'}"
        if "HTTP_IF_NONE_MATCH" in self.asked.environ and has_tag(self.asked.if_none_match, stored.etag):
            response.close()
            return replay_unchanged(stored, [("Cache-Status", said)])
        response.headers.add("Cache-Status", said)
        return response

    def discard(self) -> None:
        """An old response serves instead."""
        if self._response is not None:
            self._response.close()


def _is_failure(error: Exception) -> bool:
    translated = translate(error)
    return translated is None or translated.status in FAILURES
