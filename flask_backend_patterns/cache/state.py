"""What the cache keeps for an app."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._config import SetupError
from .near_cache import NearCache

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .aside import CacheAside
    from .feed import InvalidationFeed
    from .settings import CacheSettings


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The feed of invalidations of an app and the channel it listens to; what near caches are made with.

    `aside` is the engine of cached functions and views, None when the cache is switched off.
    """

    settings: CacheSettings
    channel: str
    feed: InvalidationFeed
    aside: CacheAside | None = None
    # What each `@cached` function has compiled for this app; None where it is just called.
    # By identity, which is looked up faster than a weak reference, and gone with the function.
    functions: dict[int, tuple[Any, weakref.ref[Any]]] = field(default_factory=dict, repr=False)
    # The shape of a declared key -> the function that has it, and its name for people.
    keys: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def note_function(self, function: Any, compiled: Any) -> None:
        """What `function` has compiled for this app, as long as it lives."""
        place, functions = id(function), self.functions
        functions[place] = (compiled, weakref.ref(function, lambda _: functions.pop(place, None)))

    def note_key(self, shape: str, *, full_name: str, name: str) -> None:
        """Raise `SetupError` when another function has this key: each would get the other's results."""
        known_full_name, known_name = self.keys.setdefault(shape, (full_name, name))
        if known_full_name != full_name and known_name != name:
            raise SetupError(
                f"{full_name} and {known_full_name} have the same key, {shape!r}, so each would get the other's results: "
                "choose another, or give both the same name= if they share them."
            )

    def make_near_cache(self, *, max_entries: int, ttl_seconds: float) -> NearCache[Any]:
        """A near cache that the feed keeps true."""
        return NearCache(max_entries=max_entries, ttl_seconds=ttl_seconds, feed=self.feed)

    def stats(self) -> Mapping[str, Any]:
        """Facts for people: what is kept near, what was asked for, and what the store says. `CacheError` if it is away."""
        if self.aside is None:
            return {}
        return {**self.aside.stats(), "store": self.aside.store.stats()}
