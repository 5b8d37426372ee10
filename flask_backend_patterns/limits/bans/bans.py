"""Who is banned, as one process knows it, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..._after_fork import reset_in_children
from ...errors import CacheError
from ..networks import Networks, is_address, network_of, read_network
from ..recent_entries import RecentEntries
from .ban import Ban
from .redis_bans import MAX_BANS
from .tallies import Tallies

if TYPE_CHECKING:
    from ..._contribution import EventLog
    from ..protocols import Feed
    from .redis_bans import RedisBans

# A message to the other processes: `limits:ban:<milliseconds, 0 when it is lifted>:<network>`.
FEED_PREFIX: Final = "limits:ban:"
LOOK_SECONDS: Final = 1.0  # how often a process asks whether it may have missed something
SHARE_OF_TIME: Final = 50  # a list that takes long to read is read less often
LOADS: Final = 3  # attempts at a list that nothing has overtaken while it was read
KNOWN_ADDRESSES: Final = 10_000
COUNTED_ADDRESSES: Final = 50_000

REFUSALS, PATH, BY_HAND = "refusals", "path", "by hand"


class Bans:
    """The bans of an app. Thread-safe; `seconds_left` is for every request and asks nobody.

    `shared` are those of all processes; without it, and while it is away, this process counts and bans for itself.
    A ban is told by `feed`, and what that may have missed is looked up at the start, after outages, and every second
    while the feed is not heard. `let_pass` refusals in `window_seconds` are nobody's fault, None: any number.
    """

    def __init__(  # noqa: PLR0913 - its parts, keyword only
        self,
        *,
        let_pass: int | None,
        window_seconds: int,
        ban_seconds: float,
        shared: RedisBans | None,
        feed: Feed,
        log: EventLog,
        exempt: Networks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ban_seconds = ban_seconds
        self.is_shared = shared is not None
        self._let_pass = let_pass
        self._window_seconds = window_seconds
        self._shared = shared
        self._feed = feed
        self._log = log
        self._exempt = exempt or Networks(())
        self._clock = clock
        self._network_of = lru_cache(maxsize=KNOWN_ADDRESSES)(network_of)
        self._banned_as = _naming(self._exempt)
        self._until: dict[str, float] = {}  # network -> when its ban ends; read without the lock
        self._own: dict[str, Ban] = {}  # made here while Redis was away, or without one; with their reasons
        self._counts: RecentEntries[str, list[float]] = RecentEntries(COUNTED_ADDRESSES)
        self._tallies = Tallies(
            let_pass=let_pass or 0, window_seconds=window_seconds, max_entries=COUNTED_ADDRESSES, clock=clock
        )
        self._changes = 0
        self._is_stale = True
        self._look_at = 0.0
        self._lock = threading.RLock()  # reentrant: the feed tells this thread too
        reset_in_children(self)
        feed.listen(self.hear)
        if shared is not None:
            shared.on_recovery(self.look_again)

    def seconds_left(self, address: str | None) -> float:
        """How long `address` is still banned; 0.0: not at all."""
        now = self._clock()
        if now >= self._look_at:
            self._look(now)
        until = self._until
        if not until or address is None:
            return 0.0
        # Only IPv6 and the like have to be read.
        ends = until.get(self._network_of(address) if ":" in address else address)
        return 0.0 if ends is None else max(0.0, ends - now)

    def note_refusal(self, address: str) -> None:
        """`address` was answered 429; bans it when that was one too many. Never raises."""
        network = self._banned_as(address)
        if self._let_pass is None or network is None:
            return
        if (found := self._counted_together(network)) is None:
            found = (self.ban_seconds, True) if self._counted_here(network) else (0.0, False)
            if found[1]:
                self._keep_own(Ban(network=network, seconds=self.ban_seconds, reason=REFUSALS))
        self._begin(network, *found, reason=REFUSALS)

    def note_path(self, address: str, path: str) -> None:
        """`address` has asked for what only scanners ask for: banned at once. Never raises."""
        network = self._banned_as(address)
        if network is not None:
            self._ban(network, self.ban_seconds, f"{PATH} {path[:100]}")

    def add(self, address: str, *, seconds: float | None = None) -> Ban:
        """Ban by hand: an address, or a network as `listed` shows it. The longer ban counts.

        Raises `ValueError` for what is neither or is exempt, `CacheError` when the other processes cannot know it.
        """
        network = read_network(address)
        if self._exempt.meet(network):
            raise ValueError(f"{network} is exempt (BACKEND_LIMITS_EXEMPT_ADDRESSES)")
        lasts = self.ban_seconds if seconds is None else seconds
        left, is_new = lasts, True
        if self._shared is not None:
            left, is_new = self._shared.ban(network, seconds=lasts, reason=BY_HAND)
        self._begin(network, left, is_new=is_new, reason=BY_HAND)
        return Ban(network=network, seconds=left, reason=BY_HAND)

    def lift(self, address: str) -> bool:
        """End a ban in all processes; whether there was one.

        Raises `ValueError` for what is no address, `CacheError` when the processes cannot know it.
        """
        network = read_network(address)
        had_one = self._until.get(network, 0.0) > self._clock()
        if self._shared is not None:
            had_one = self._shared.lift(network) or had_one
        self._counts.discard(network)
        self._tell(network, 0.0, must=True)
        return had_one

    def listed(self) -> list[Ban]:
        """Those of all processes, that end last first; without Redis this one's. Raises `CacheError`."""
        if self._shared is not None:
            return self._shared.listed()
        now = self._clock()
        left = [(ban, self._until.get(ban.network, 0.0) - now) for ban in self._own.values()]
        found = [
            Ban(network=ban.network, seconds=seconds, reason=ban.reason)
            for ban, seconds in left
            if seconds > 0
        ]
        return sorted(found, key=lambda ban: -ban.seconds)

    def hear(self, keys: tuple[str, ...] | None) -> None:
        """What the feed tells: see `FEED_PREFIX`; None: look again."""
        if keys is None:
            self.look_again()
            return
        for key in keys:
            if key.startswith(FEED_PREFIX):
                left, _, network = key.removeprefix(FEED_PREFIX).partition(":")
                if left.isascii() and left.isdecimal():
                    self._set(network, int(left) / 1000)

    def look_again(self) -> None:
        """Something may have been missed: the next request looks."""
        self._is_stale, self._look_at = True, 0.0

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock; what its feed hears is not heard here."""
        self._lock = threading.RLock()
        self.look_again()

    # --- how long, and since when ---------------------------------------------------------------------------------

    def _counted_together(self, network: str) -> tuple[float, bool] | None:
        """None when that cannot be done."""
        if self._shared is None or self._shared.is_away or self._let_pass is None:
            return None
        if not (due := self._tallies.due(network)):
            return 0.0, False
        with suppress(CacheError):  # the outage is in the log; count here until it is over
            left, is_new, counted = self._shared.count_refusals(
                network,
                due,
                let_pass=self._let_pass,
                window_seconds=self._window_seconds,
                ban_seconds=self.ban_seconds,
                reason=REFUSALS,
            )
            self._tallies.note(network, counted)
            return left, is_new
        return None

    def _counted_here(self, network: str) -> bool:
        """Whether this refusal is one too many."""
        with self._lock:
            now = self._clock()
            if self._until.get(network, 0.0) > now:
                return False
            counted = self._counts.get(network)
            if counted is None or counted[1] <= now:
                self._counts.put(network, counted := [0, now + self._window_seconds])
            counted[0] += 1
            if counted[0] <= (self._let_pass or 0):
                return False
            self._counts.discard(network)
            self._set(network, self.ban_seconds)
            return True

    def _ban(self, network: str, seconds: float, reason: str) -> None:
        left, is_new = seconds, self._until.get(network, 0.0) <= self._clock()
        if self._shared is not None and not self._shared.is_away:
            with suppress(CacheError):  # as above
                left, is_new = self._shared.ban(network, seconds=seconds, reason=reason)
                return self._begin(network, left, is_new=is_new, reason=reason)
        self._keep_own(Ban(network=network, seconds=seconds, reason=reason))
        return self._begin(network, left, is_new=is_new, reason=reason)

    def _begin(self, network: str, seconds: float, is_new: bool, *, reason: str) -> None:  # noqa: FBT001 - of a pair
        """Have all processes refuse `network`, unless they do."""
        if seconds <= 0:
            return
        if not is_new:
            self._set(network, seconds)
            return
        self._log.warning("address_banned", address=network, seconds=round(seconds), reason=reason)
        self._tell(network, seconds)

    def _keep_own(self, ban: Ban) -> None:
        with self._lock:
            now = self._clock()
            self._own = {name: own for name, own in self._own.items() if self._until.get(name, 0.0) > now}
            if len(self._own) < MAX_BANS:
                self._own[ban.network] = ban

    def _tell(self, network: str, seconds: float, *, must: bool = False) -> None:
        self._set(network, seconds)
        try:
            self._feed.publish(f"{FEED_PREFIX}{round(seconds * 1000)}:{network}")
        except CacheError:  # the others learn it when they look
            if must:
                raise

    def _set(self, network: str, seconds: float) -> None:
        with self._lock:
            self._changes += 1
            self._tallies.forget(network)
            if seconds <= 0:
                self._until.pop(network, None)
                self._own.pop(network, None)
                return
            now = self._clock()
            if len(self._until) >= MAX_BANS:
                self._until = {name: ends for name, ends in self._until.items() if ends > now}
            if len(self._until) < MAX_BANS or network in self._until:
                self._until[network] = now + seconds

    # --- what was missed ------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Load the bans of all processes, where some may have been missed."""
        self._look_at = now + LOOK_SECONDS
        if self._shared is None:
            return
        if self._shared.is_away:
            self._is_stale = True
            return
        is_heard = self._feed.is_trusted
        if is_heard and not self._is_stale:
            return
        self._is_stale = False
        try:
            is_whole = self._load(self._shared)
        except CacheError:
            is_whole = False
        if not (is_heard and is_whole):
            self._is_stale = True
        took = self._clock() - now
        self._look_at = max(self._look_at, now + SHARE_OF_TIME * took)

    def _load(self, shared: RedisBans) -> bool:
        """False when changes came so fast that the list was never whole."""
        for _ in range(LOADS):
            changes, began = self._changes, self._clock()
            found = {ban.network: began + ban.seconds for ban in shared.listed()}
            with self._lock:
                if self._changes != changes:
                    continue  # one was made or lifted meanwhile
                own = {name: ends for name, ends in self._until.items() if name in self._own and ends > began}
                self._until = found | own
                return True
        return False


def _naming(exempt: Networks) -> Callable[[str], str | None]:
    """What to ban for an address: None for what is exempt, and for what is no address, which would be everybody.

    The peer of a Unix socket has none.
    """

    @lru_cache(maxsize=KNOWN_ADDRESSES)
    def banned_as(address: str) -> str | None:
        return network_of(address) if is_address(address) and not exempt.hold(address) else None

    return banned_as
