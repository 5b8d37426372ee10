"""Invalidations over Redis pub/sub."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING
from weakref import finalize, ref

from ..._after_fork import reset_in_children
from ..._chance import CHANCE
from ..._redis import close_idle
from ..._redis_outage import RedisOutage
from ..feed import EVERYTHING, decode_keys, encode_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from ..._contribution import EventLog
    from ..feed import Listener
    from .redis_subscription import RedisSubscription

MAX_SILENCE_SECONDS = 1.0
MIN_SILENCE_SECONDS, LONGEST_SILENCE_SECONDS = 0.05, 60.0
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.02, 1.0


class RedisFeed:
    """Tells the near caches of all processes which keys have changed; see `InvalidationFeed`. One for each app.

    A thread listens from the first question for `is_trusted` on, in each process its own; it ends with the process, by
    `close`, or when the feed is not used any more. While Redis answers its PINGs, every change published more than
    `max_silence_seconds` ago is known here, normally after a millisecond. After any loss the feed is not trusted, and
    its listeners are told to forget everything before it is again.

    `connect` gives the client to use, with timeouts (of one Redis or by Sentinel); `channel` is the same in all
    processes that share data. Pub/sub knows no database numbers: apps on one Redis need channels of their own.
    `max_silence_seconds` has to be well above the time that a PING takes: 0.05 to 60, else `ValueError`.
    """

    def __init__(
        self,
        connect: Callable[[], Redis],
        *,
        channel: str,
        log: EventLog,
        outage: RedisOutage | None = None,
        max_silence_seconds: float = MAX_SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not MIN_SILENCE_SECONDS <= max_silence_seconds <= LONGEST_SILENCE_SECONDS:
            raise ValueError(
                f"max_silence_seconds is {max_silence_seconds!r}; expected {MIN_SILENCE_SECONDS} to "
                f"{LONGEST_SILENCE_SECONDS}"
            )
        self.channel = channel
        self._connect = connect
        self._log = log
        self._outage = outage or RedisOutage(log=log, ping=_Ping(self), clock=clock)
        self._max_silence = max_silence_seconds
        self._clock = clock
        self._client: Redis | None = None
        self._listeners: tuple[Listener, ...] = ()
        self._trusted_until = -math.inf
        self._follower: _Follower | None = None
        self._is_down = False
        self._lock = threading.RLock()
        reset_in_children(self)

    @property
    def is_trusted(self) -> bool:
        """Whether every change that was published `max_silence_seconds` ago or earlier is known; starts to listen."""
        if self._clock() < self._trusted_until:
            return True
        if not self._is_following:
            self.start()
        return False

    def listen(self, listener: Listener) -> None:
        """See `InvalidationFeed`; a listener that raises is logged, and the feed begins anew."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def publish(self, *keys: str) -> None:
        """See `InvalidationFeed`."""
        if not keys:
            return
        try:
            self._tell(keys)
        finally:
            self._send(encode_keys(keys))

    def publish_everything(self) -> None:
        """Any value may have changed: all near caches forget what they know."""
        try:
            self._tell(None)
        finally:
            self._send(EVERYTHING)

    def start(self) -> None:
        """Listen from now on; returns at once, and does nothing when it listens already."""
        with self._lock:
            if not self._is_following:
                follower = _Follower(self)
                # no thread to be had (a limit, or the end of the process): not trusted, and tried again
                with contextlib.suppress(RuntimeError):
                    follower.start()
                    self._follower = follower

    def close(self) -> None:
        """Stop listening, for tests and scripts; waits for the thread. The next question for `is_trusted` starts again."""
        with self._lock:
            follower, self._follower = self._follower, None
            self._trusted_until = -math.inf
        if follower is not None:
            follower.stop()
        if self._client is not None:
            close_idle(self._client)

    def reset_after_fork(self) -> None:
        """The parent's thread is not here, and its connection is the parent's alone."""
        self._lock = threading.RLock()
        self._trusted_until = -math.inf
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.abandon()

    @property
    def _is_following(self) -> bool:
        """Not so after a thread has died, of a log that raises."""
        return self._follower is not None and self._follower.is_alive()

    def _subscription(self) -> RedisSubscription:
        from .redis_subscription import RedisSubscription  # here, since importing redis takes long

        return RedisSubscription(
            self._redis(), channel=self.channel, max_silence_seconds=self._max_silence, clock=self._clock
        )

    def _redis(self) -> Redis:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
                finalize(self, close_idle, self._client)
            return self._client

    def _send(self, message: str) -> None:
        self._outage.call(self._publish, message)

    def _publish(self, message: str) -> None:
        self._redis().publish(self.channel, message)

    def _tell(self, keys: tuple[str, ...] | None) -> None:
        for listener in self._listeners:
            listener(keys)

    def _trust(self, follower: _Follower, heard_until: float) -> None:
        """Called by the thread; one that was told to stop has no say any more."""
        with self._lock:
            if self._follower is not follower:
                return
            self._trusted_until = heard_until + self._max_silence
            was_down, self._is_down = self._is_down, False
        if was_down:
            self._log.info("dependency.up", dependency="redis", used_for="invalidations")

    def _distrust(self, follower: _Follower, error: Exception) -> None:
        with self._lock:
            if self._follower is not follower:
                return
            self._trusted_until = -math.inf
            was_down, self._is_down = self._is_down, True
        if not was_down:
            self._log.warning(
                "dependency.down",
                dependency="redis",
                used_for="invalidations",
                reason=type(error).__name__,
                cause=str(error),
                **({} if _is_expected(error) else {"exc_info": error}),
            )


def _is_expected(error: Exception) -> bool:
    """Whether it says all that there is to say, without a stack."""
    from redis.exceptions import RedisError

    return isinstance(error, (RedisError, OSError))


class _Ping:
    """Asks for a sign of life over a new connection."""

    def __init__(self, feed: RedisFeed) -> None:
        self._feed = feed

    def __call__(self) -> None:
        client = self._feed._redis()  # noqa: SLF001 - two classes, one thing
        close_idle(client)
        client.ping()


class _Follower(threading.Thread):
    """Keeps a feed subscribed; holds it weakly, so that an app that is thrown away takes its feed along."""

    def __init__(self, feed: RedisFeed) -> None:
        super().__init__(name=f"near-cache-{feed.channel}", daemon=True)
        self._feed = ref(feed)
        self._stopped = threading.Event()
        self._subscription: RedisSubscription | None = None

    def run(self) -> None:
        """Subscribe, again and again, until stopped; with growing delays while subscriptions do not last."""
        delay = 0.0
        while not self._stopped.wait(delay * CHANCE.uniform(0.5, 1)):  # spreads the processes
            began = time.monotonic()
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 - a bad URL, a listener that raises: whatever it is, begin anew
                feed = self._feed()
                if feed is not None:
                    feed._distrust(self, error)  # noqa: SLF001 - two classes, one thing
                    del feed
            finally:
                self.abandon()
            if self._feed() is None:
                return
            has_lasted = time.monotonic() - began > MAX_DELAY_SECONDS
            delay = (
                FIRST_DELAY_SECONDS
                if has_lasted
                else min(MAX_DELAY_SECONDS, 2 * delay or FIRST_DELAY_SECONDS)
            )

    def _follow(self) -> None:
        """Returns when stopped or when nobody has the feed any more; raises when the subscription is lost."""
        feed = self._feed()
        if feed is None:
            return
        subscription = self._subscription = feed._subscription()  # noqa: SLF001 - two classes, one thing
        del feed
        subscription.open()
        heard_until = -math.inf
        while not self._stopped.is_set():
            message = subscription.read()
            feed = self._feed()
            if feed is None:
                return
            if message is not None:
                feed._tell(decode_keys(message))  # noqa: SLF001 - two classes, one thing
            if subscription.heard_until > heard_until:
                if heard_until == -math.inf:
                    feed._tell(None)  # noqa: SLF001 - two classes, one thing
                heard_until = subscription.heard_until
                feed._trust(self, heard_until)  # noqa: SLF001 - two classes, one thing
            del feed

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopped.set()
        if self is not threading.current_thread():
            self.join()

    def abandon(self) -> None:
        """Give the connection back; in a forked child its copy of it."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
