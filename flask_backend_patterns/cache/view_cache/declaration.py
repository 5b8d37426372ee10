"""What can be said about the caching of a view's responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ...declarations import Declaration, Documentation, Phase
from .directives import Directives
from .naming import Naming
from .vary import Vary

READING: Final = frozenset({"GET", "HEAD"})

_IF_NONE_MATCH: Final[Mapping[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETags the client has; answered by 304 when one is current. What is no ETag is ignored.",
    "schema": {"type": "string"},
}
_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ETag": {"description": "The version of the response.", "schema": _TEXT},
    "Age": {
        "description": "Seconds since the response was made, when it comes from the cache.",
        "schema": {"type": "integer"},
    },
    "Cache-Status": {"description": "Whether the response comes from the cache (RFC 9211).", "schema": _TEXT},
}
_UNCHANGED: Final[Mapping[str, Any]] = {
    "responses": {"304": {"description": "Not Modified", "headers": {"ETag": _HEADERS["ETag"]}}}
}


@dataclass(frozen=True, kw_only=True, eq=False)
class CachedView(Declaration):
    """The responses of the view are kept for `ttl_seconds`, and `stale_seconds` longer while they are made anew."""

    phase: ClassVar[Phase] = Phase.CACHE
    required: ClassVar[bool] = False

    ttl_seconds: float
    stale_seconds: float
    vary: Vary
    naming: Naming
    clients_may_refresh: bool

    def documentation(self, method: str) -> Documentation:
        """The headers of its responses, and the 304."""
        if method not in READING:
            return Documentation()
        return Documentation(parameters=(_IF_NONE_MATCH,), success_headers=_HEADERS, operation=_UNCHANGED)

    def audit(self, method: str) -> Mapping[str, str]:
        """The columns `cache` (`60 s, stale 30 s`) and `vary_on`."""
        if method not in READING:
            return {}
        stale = f", stale {self.stale_seconds:g} s" if self.stale_seconds else ""
        return {"cache": f"{self.ttl_seconds:g} s{stale}", "vary_on": ", ".join(self.vary.texts)}


@dataclass(frozen=True, kw_only=True, eq=False)
class CacheControl(Declaration):
    """What browsers and shared caches are told about the view's responses (RFC 9111, 5.2.2)."""

    # After authorization, and before whatever may answer in the view's place: the answer says it too.
    phase: ClassVar[Phase] = Phase.IDEMPOTENCY
    required: ClassVar[bool] = False

    directives: Directives

    def documentation(self, method: str) -> Documentation:
        """The header of its responses."""
        if method not in READING:
            return Documentation()
        header = {"description": "How long caches may keep the response.", "schema": _TEXT}
        return Documentation(success_headers={"Cache-Control": header | {"example": self.directives.text}})

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `cache`: the header as it is sent."""
        return {"cache": self.directives.text} if method in READING else {}
