"""Shows and lifts limits of a caller, in all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .keys import bounded
from .networks import network_of
from .protocols import Charge
from .rates import Rate
from .refusals import feed_key
from .settings import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from .backends.redis import RedisWindows
    from .protocols import Feed, Standing

# Word -> what the keys of such a caller end in (see `CallerKeys`).
CALLERS: Final[dict[str, Callable[[str], str]]] = {
    "actor": lambda text: f"u:{bounded(text)}",
    "address": lambda text: f"a:{bounded(network_of(text))}",
    "api_key": lambda text: f"k:{bounded(text)}",
    "header": lambda text: f"h:{bounded(text)}",
    "function": lambda text: f"f:{bounded(text)}",
}


class Clearing:
    """For one app whose counts are in Redis."""

    def __init__(self, windows: RedisWindows, feed: Feed) -> None:
        self._windows = windows
        self._feed = feed

    def clear(self, caller: str, *, name: str | None = None) -> int:
        """Forget what was counted for `caller` (`actor:7`, `address:203.0.113.7`); how many counts there were.

        `name` takes only limits of that name. Looks at all keys of limits. Raises `ValueError` for what is no caller, and
        `CacheError` when the processes cannot know it.
        """
        found = {key for _, _, key in self._found(caller, name)}
        self._windows.clear(*found)
        # A process may know a refusal whose count is over here: it ends by itself.
        self._feed.publish(*map(feed_key, sorted(found)))
        return len(found)

    def show(self, caller: str, *, name: str | None = None) -> list[tuple[str, Rate, Standing]]:
        """Where the limits stand that count `caller` just now, by what they are called; the arguments are those of `clear`."""
        found = []
        for end, strategy, key in self._found(caller, name):
            bucket, _, rate = key.removesuffix(f"|{strategy}|{end}").rpartition("|")
            amount, _, seconds = rate.partition("/")
            limit = Rate(int(amount), int(seconds))
            charge = Charge(
                key=key, amount=limit.amount, window_seconds=limit.window_seconds, cost=0, strategy=strategy
            )
            found.append((_title(bucket), limit, self._windows.charge((charge,))[0]))
        return sorted(found, key=lambda item: item[:2])

    def _found(self, caller: str, name: str | None) -> list[tuple[str, str, str]]:
        """What the keys of `caller` end in, the strategy, and the key of each count."""
        word, _, text = caller.partition(":")
        if word not in CALLERS or not text:
            raise ValueError(
                f"{caller!r} is no caller; write one of {', '.join(f'{word}:...' for word in CALLERS)}"
            )
        end = CALLERS[word](text)
        begin = "" if name is None else f"n={bounded(name)}|"
        return [
            (end, strategy, key)
            for strategy in STRATEGIES
            for key in dict.fromkeys(self._windows.keys(begin, f"|{strategy}|{end}"))
        ]


def _title(bucket: str) -> str:
    """`mail`, `GET orders.list by actor`."""
    kind, _, rest = bucket.partition("=")
    if kind == "n":
        return rest
    place, _, key = rest.partition("|")
    return f"{place if kind == 'f' else f'{kind} {place}'} by {key}"
