"""Enforces `@cached_view`: answers with the kept response, or keeps the one that the view makes."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from flask import request

from ..._finished import finished
from ..aside import Call
from ..near_cache import MISSING
from ..single_flight import Failure, Load
from .answers import kept_answer, marked
from .declaration import READING
from .passes import Passes
from .privacy import reason_to_pass
from .remarks import Remarks
from .rules import ViewRules
from .view_load import ViewLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from flask import Request, Response

    from ..aside import CacheAside
    from .declaration import CachedView


class Enforcement:
    """The enforcer of one app; shared by threads. `monotonic` gives seconds of any origin."""

    def __init__(self, engine: CacheAside, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._passes = Passes(monotonic)
        self._remarks = Remarks(engine.log)
        self._rules = ViewRules(engine.tally)

    def enforce(self, declared: CachedView) -> Generator[None, Any, Any]:
        """Around the view: see `guard.Around`."""
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        if asked.method not in READING:
            return None
        rule = self._rules.find(asked, declared)
        if rule is None:
            return None
        reason = reason_to_pass(asked, rule)
        if reason is not None:
            self._remarks.note(asked, reason)
            return marked(finished((yield), "cached_view"), rule, f"fwd=bypass; detail={reason}")
        key = rule.key.of(asked)
        is_refresh = declared.clients_may_refresh and _wants_new(asked)
        tags = rule.naming.tags_of(asked.view_args or {})
        if not is_refresh:
            near = self._engine.find_near(key, tags, rule.policy)
            if near is not MISSING:
                return kept_answer(asked, near, rule, now=self._engine.wall_clock())
        if self._passes.has(key):
            return marked(finished((yield), "cached_view"), rule, "fwd=bypass")
        call = Call(key=key, tags=tags, policy=rule.policy, is_refresh=is_refresh)
        return (yield from self._run(ViewLoad(self._engine, asked, rule, call)))

    def _run(self, load: ViewLoad) -> Generator[None, Any, Response]:
        """Take the engine's steps; the one that loads is the view."""
        answer: Any = None
        has_waited = False
        with closing(self._engine.steps(load.call)) as steps:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    result = end.value
                    break
                if type(step) is not Load:
                    has_waited = True
                    answer = step.run(_nothing)
                elif load.may_fill:
                    answer = yield from load.run()
                else:
                    steps.close()  # others may load meanwhile
                    return marked(finished((yield), "cached_view"), load.rule, "fwd=bypass")
        if load.is_over:
            return self._made(load, result)
        said = "fwd=miss; collapsed" if has_waited else "hit"
        return kept_answer(load.asked, result, load.rule, now=self._engine.wall_clock(), said=said)

    def _made(self, load: ViewLoad, result: Any) -> Response:
        """The answer to the request whose view has run."""
        if load.has_failed and type(result) is not Failure:
            load.discard()
            return kept_answer(load.asked, result, load.rule, now=self._engine.wall_clock())
        if not load.is_kept and not load.has_failed:
            self._passes.add(load.call.key)
            if load.rule.declared.stale_seconds or load.call.is_refresh:
                # It answers otherwise than before, so what is kept is no longer true.
                self._engine.invalidate_named(keys=[load.call.key])
            if load.reason is not None:
                self._remarks.note(load.asked, load.reason)
        return load.response()


def _nothing() -> None:
    """Steps that only wait call no loader."""


def _wants_new(asked: Request) -> bool:
    """Whether the client will have no kept response (RFC 9111, 5.2.1.4)."""
    said = asked.environ.get("HTTP_CACHE_CONTROL")
    return said is not None and "no-cache" in said.lower()
