"""The directives of `Cache-Control` for responses (RFC 9111, 5.2.2; RFC 5861; RFC 8246)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ..._config import SetupError

# What a cache takes for ever (RFC 9111, 1.2.2).
MAX_SECONDS: Final = 2**31


@dataclass(frozen=True, kw_only=True)
class Directives:
    """Checked together: each combination that contradicts itself is a `SetupError`. Seconds are whole numbers."""

    public: bool = False
    private: bool = False
    no_store: bool = False
    no_cache: bool = False
    must_revalidate: bool = False
    immutable: bool = False
    no_transform: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None

    def __post_init__(self) -> None:
        for name, seconds in self._lifetimes().items():
            if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= MAX_SECONDS:
                raise SetupError(
                    f"@cache_control({name}={seconds!r}): expected whole seconds, 0 to {MAX_SECONDS}."
                )
        if not self._said():
            raise SetupError("@cache_control() says nothing: write @cache_control(public=True, max_age=60).")
        for first, second in self._contradictions():
            raise SetupError(f"@cache_control: {first} and {second} contradict each other; take one away.")

    @property
    def is_for_shared_caches(self) -> bool:
        """Whether a cache that many share, such as a CDN, is told that it may keep the response."""
        return self.public or self.s_maxage is not None

    @cached_property
    def text(self) -> str:
        """The header's value."""
        lifetimes = (f"{name}={seconds}" for name, seconds in self._lifetimes().items())
        said = [*self._said_flags(), *lifetimes]
        return ", ".join(item.replace("_", "-") for item in said)

    def _said_flags(self) -> list[str]:
        flags = ("public", "private", "no_store", "no_cache", "must_revalidate", "immutable", "no_transform")
        return [name for name in flags if getattr(self, name)]

    def _lifetimes(self) -> dict[str, Any]:
        names = ("max_age", "s_maxage", "stale_while_revalidate", "stale_if_error")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _said(self) -> set[str]:
        return {*self._said_flags(), *self._lifetimes()}

    def _contradictions(self) -> list[tuple[str, str]]:
        said = self._said()
        wrong = [
            *(("no_store", name) for name in sorted(said - {"no_store", "private", "no_transform"})),
            *(("private", name) for name in ("public", "s_maxage")),
            *(("no_cache", name) for name in ("immutable", "stale_while_revalidate", "stale_if_error")),
            *(("must_revalidate", name) for name in ("stale_while_revalidate", "stale_if_error")),
        ]
        return [pair for pair in wrong if said.issuperset(pair)]
