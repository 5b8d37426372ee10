"""Counts in Redis, for all processes and machines together."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..protocols import Standing
from .limit_plan import SECOND, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

    from ..._shared_redis import Script, SharedRedis
    from ..protocols import Charge

STEP = 1000  # keys looked at in one step while clearing


class RedisWindows:
    """The counts of one app. One call is one script, one round trip, one atomic step. Raises `CacheError`; thread-safe.

    Without a `clock` (seconds since the epoch) Redis's own tells the time, the same for all machines. Fixed and sliding
    windows begin with the first charge of a key, as in `limits` on Redis, not with the full minute. Exact to the
    microsecond (for more than 4,500,000,000 in amount * seconds: to ten of them, and so on).
    """

    def __init__(self, redis: SharedRedis, *, clock: Callable[[], float] | None = None) -> None:
        self._redis = redis
        self._clock = clock
        self._prefix = redis.key("limits", "")

    @property
    def is_down(self) -> bool:
        """Whether Redis is known to be away; costs nothing."""
        return self._redis.is_down

    def charge(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See `Windows`. Raises `ValueError` for a cost below 0 and for limits that `plan_of` refuses."""
        if not charges:
            return ()
        prefix = self._prefix
        keys = []
        args: list[str | bytes | int | float] = [
            b"" if self._clock is None else round(self._clock() * SECOND)
        ]
        for charge in charges:
            if charge.cost < 0:
                raise ValueError(f"a cost of {charge.cost}; expected 0 or more")
            key = charge.key
            keys.append(prefix + (key if key.isascii() else _sendable(key)))
            args += plan_of(charge.strategy, charge.amount, charge.window_seconds).arguments
            args.append(charge.cost)
        found = iter(self._script(keys, args))
        return tuple(
            [
                Standing(not retry, remaining, reset / SECOND, retry / SECOND)
                for remaining, reset, retry in zip(found, found, found, strict=True)
            ]
        )

    def clear(self, *keys: str) -> None:
        """See `Windows`."""
        if keys:
            self._redis.command("UNLINK", *(self._prefix + _sendable(key) for key in keys))

    def keys(self, begin: str, end: str) -> list[str]:
        """Those that begin and end so and are counted just now; looks at all keys of the Redis, in steps."""
        pattern = f"{_escaped(self._prefix + _sendable(begin))}*{_escaped(_sendable(end))}"
        size = len(self._prefix)

        def scan(client: Redis) -> list[str]:
            return [_text(key)[size:] for key in client.scan_iter(match=pattern, count=STEP)]

        return self._redis.run(scan)

    def clear_all(self, prefix: str) -> int:
        """Forget all keys that begin with `prefix`, in steps that do not hold Redis up; how many there were."""
        pattern = _escaped(self._prefix + _sendable(prefix)) + "*"

        def unlink(client: Redis) -> int:
            return sum(
                _unlinked(client, part) for part in _parts(client.scan_iter(match=pattern, count=STEP))
            )

        return self._redis.run(unlink)

    @cached_property
    def _script(self) -> Script:
        return self._redis.script((Path(__file__).parent / "charge.lua").read_text())


def _sendable(key: str) -> str:
    """The key; half characters, which cannot be encoded, as text that no key of whole characters is likely to be."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return "halves:" + key.encode(errors="surrogatepass").hex()
    return key


def _text(key: bytes | str) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key


def _escaped(text: str) -> str:
    """As a part of a pattern that stands for nothing but itself."""
    return "".join(f"\\{letter}" if letter in "\\*?[]^-" else letter for letter in text)


def _parts(keys: Iterator[Any]) -> Iterator[list[Any]]:
    part = []
    for key in keys:
        part.append(key)
        if len(part) == STEP:
            yield part
            part = []
    if part:
        yield part


def _unlinked(client: Redis, keys: list[Any]) -> int:
    count: Any = client.unlink(*keys)
    return int(count)
