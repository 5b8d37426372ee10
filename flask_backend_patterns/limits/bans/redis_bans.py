"""The bans of all processes, in Redis."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .ban import Ban

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._shared_redis import Script, SharedRedis

MAX_BANS: Final = 100_000


class RedisBans:
    """Everything is one step there; times are Redis's own. Raises `CacheError` while Redis is away."""

    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis
        self._bans = redis.key("bans", "until")
        self._reasons = redis.key("bans", "reasons")

    @property
    def is_away(self) -> bool:
        """Whether asking would be in vain. Costs nothing."""
        return self._redis.is_down

    def on_recovery(self, callback: Callable[[], object]) -> None:
        """Call `callback` when it is no longer away; see `SharedRedis.on_recovery`."""
        self._redis.on_recovery(callback)

    def count_refusals(
        self,
        network: str,
        count: int,
        *,
        let_pass: int,
        window_seconds: int,
        ban_seconds: float,
        reason: str,
    ) -> tuple[float, bool, int]:
        """How long `network` is banned (0.0: not), whether that began with these, and how many are counted (banned: 0)."""
        keys = [self._count_of(network), self._bans, self._reasons]
        args: list[str | int] = [
            network,
            let_pass,
            window_seconds * 1000,
            _milliseconds(ban_seconds),
            reason,
            MAX_BANS,
            count,
        ]
        left, is_new, counted = self._count_refusal(keys, args)
        return int(left) / 1000, bool(is_new), int(counted)

    def ban(self, network: str, *, seconds: float, reason: str) -> tuple[float, bool]:
        """How long `network` is banned now, and whether it was not before; a ban that lasts longer stays."""
        args: list[str | int] = [network, _milliseconds(seconds), reason, MAX_BANS]
        left, is_new = self._ban([self._bans, self._reasons], args)
        return int(left) / 1000, bool(is_new)

    def lift(self, network: str) -> bool:
        """End the ban; whether there was one."""
        return bool(self._lift([self._bans, self._reasons, self._count_of(network)], [network]))

    def listed(self) -> list[Ban]:
        """All that are in force, those that end last first."""
        found = self._list([self._bans, self._reasons])
        return [
            Ban(network=_text(network), seconds=int(left) / 1000, reason=_text(reason))
            for network, left, reason in zip(found[::3], found[1::3], found[2::3], strict=True)
        ]

    def _count_of(self, network: str) -> str:
        return self._redis.key("bans", "refusals", network)

    @cached_property
    def _count_refusal(self) -> Script:
        return self._script("count_refusal")

    @cached_property
    def _ban(self) -> Script:
        return self._script("ban")

    @cached_property
    def _lift(self) -> Script:
        return self._script("lift")

    @cached_property
    def _list(self) -> Script:
        return self._script("list")

    def _script(self, name: str) -> Script:
        folder = Path(__file__).parent
        return self._redis.script("".join((folder / f"{part}.lua").read_text() for part in ("shared", name)))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
