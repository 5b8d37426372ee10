"""One load of a key at a time in a process: whoever else wants it waits, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .._after_fork import reset_in_children
from .near_cache import MISSING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

# The flights that the code running now leads, the innermost last; tasks and copied contexts inherit it.
_leading: ContextVar[tuple[Flight, ...]] = ContextVar("backend_cache_leading", default=())


class Flight:
    """One load: who leads it ends it with what it brought. What it is before that is nobody's business."""

    __slots__ = (
        "began",
        "is_over",
        "is_passed",
        "key",
        "listeners",
        "payload",
        "tags",
        "value",
        "waits_for",
        "was_current",
    )

    def __init__(self, key: str, tags: tuple[str, ...]) -> None:
        self.key = key
        self.tags = tags
        self.began = float("inf")  # when the load itself began
        self.is_over = False
        self.listeners: list[Callable[[], object]] = []
        self.waits_for: list[Flight] = []  # of who loads it; several at once in an event loop
        # The outcome, unless the load failed: the value if it cannot be changed, else its bytes.
        self.value: Any = MISSING
        self.payload: bytes | None = None
        self.was_current = (
            False  # the store has confirmed that nothing was invalidated meanwhile, or there is no store
        )
        self.is_passed = False  # the value is for its caller alone: those who wait load for themselves

    def has_value_for(self, since: float) -> bool:
        """Whether one who asked at `since` may have the outcome: not what was loaded before, unless it was current."""
        has_value = self.payload is not None or self.value is not MISSING
        return has_value and (self.was_current or self.began >= since)


class Flights:
    """The loads at work in this process, by key. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()
        reset_in_children(self)

    def join(self, key: str, tags: tuple[str, ...]) -> tuple[Flight, bool]:
        """The load of `key` at work, or a new one, and whether the caller leads it: then it has to call `end`."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight(key, tags)
            return flight, True

    def has_waiters(self, flight: Flight) -> bool:
        """Whether anybody waits; nobody comes after `close`."""
        return bool(flight.listeners)

    def close(self, flight: Flight) -> None:
        """Whoever comes from now on begins a load of his own."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]

    def end(self, flight: Flight) -> None:
        """Wake all who wait."""
        self.close(flight)
        with self._lock:
            flight.is_over = True
            listeners, flight.listeners = flight.listeners, []
        for listener in listeners:
            listener()

    def overtake(self, *, keys: Iterable[str], tags: Iterable[str], prefix: str | None) -> None:
        """What is loaded for these was read before a change: who comes from now on must not have it (PITFALLS C7)."""
        if not self._flights:
            return
        named, tagged = frozenset(keys), frozenset(tags)
        with self._lock:
            for key, flight in list(self._flights.items()):
                if (
                    key in named
                    or not tagged.isdisjoint(flight.tags)
                    or (prefix is not None and key.startswith(prefix))
                ):
                    del self._flights[key]

    def overtake_all(self) -> None:
        """As `overtake`, of everything."""
        with self._lock:
            self._flights = {}

    def add_listener(self, flight: Flight, listener: Callable[[], object]) -> bool:
        """Call `listener` when the flight ends, in any thread; False when that is over already."""
        with self._lock:
            if flight.is_over:
                return False
            flight.listeners.append(listener)
            return True

    def remove_listener(self, flight: Flight, listener: Callable[[], object]) -> None:
        """Its caller waits no more."""
        with self._lock, contextlib.suppress(ValueError):
            flight.listeners.remove(listener)

    def would_wait_for_itself(self, flight: Flight) -> bool:
        """Whether the flight waits, itself or by others, for one that the caller leads: then nobody would ever end."""
        mine = _leading.get()
        if not mine:
            return False
        with self._lock:
            seen: set[Flight] = set()
            others = [flight]
            while others:
                other = others.pop()
                if other in mine:
                    return True
                if other not in seen:
                    seen.add(other)
                    others += other.waits_for
            for led in mine:  # the outer ones too: whoever waits for them waits for this one
                led.waits_for.append(flight)
        return False

    def waits_no_more(self, flight: Flight) -> None:
        """The caller, who was told that he may wait for `flight`, has done so."""
        with self._lock:
            for led in _leading.get():
                if flight in led.waits_for:
                    led.waits_for.remove(flight)

    def reset_after_fork(self) -> None:
        """The threads that lead them are not here."""
        self._lock = threading.Lock()
        self._flights = {}


class Load:
    """A step: call the loader, as the leader of `flight` if there is one. Its answer is the value or a `Failure`."""

    __slots__ = ("flight",)

    def __init__(self, flight: Flight | None = None) -> None:
        self.flight = flight

    def run(self, load: Callable[[], Any]) -> Any:
        """In a thread."""
        token = _leading.set((*_leading.get(), self.flight)) if self.flight is not None else None
        try:
            return load()
        except BaseException as error:  # noqa: BLE001 - handed on to the caller, whatever it is
            return Failure(error)
        finally:
            if token is not None:
                _leading.reset(token)

    async def run_async(self, load: Callable[[], Awaitable[Any]]) -> Any:
        """In an event loop."""
        token = _leading.set((*_leading.get(), self.flight)) if self.flight is not None else None
        try:
            return await load()
        except BaseException as error:  # noqa: BLE001 - as above, a cancellation too
            return Failure(error)
        finally:
            if token is not None:
                _leading.reset(token)


class Wait:
    """A step: until the flight is over, or `seconds` have passed."""

    __slots__ = ("flight", "flights", "seconds")

    def __init__(self, flights: Flights, flight: Flight, seconds: float) -> None:
        self.flights = flights
        self.flight = flight
        self.seconds = seconds

    def run(self, _load: object) -> None:
        """In a thread."""
        gate = threading.Event()
        try:
            if self.flights.add_listener(self.flight, gate.set):
                gate.wait(self.seconds)
        finally:
            self._leave(gate.set)

    async def run_async(self, _load: object) -> None:
        """In an event loop, which goes on meanwhile."""
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed with its task waiting
                loop.call_soon_threadsafe(_set, arrived)

        try:
            if self.flights.add_listener(self.flight, tell):
                await asyncio.wait([arrived], timeout=self.seconds)
        finally:
            self._leave(tell)

    def _leave(self, listener: Callable[[], object]) -> None:
        self.flights.remove_listener(self.flight, listener)
        self.flights.waits_no_more(self.flight)


class Pause:
    """A step: some seconds."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self, _load: object) -> None:
        """In a thread."""
        time.sleep(self.seconds)

    async def run_async(self, _load: object) -> None:
        """In an event loop."""
        await asyncio.sleep(self.seconds)


class Failure:
    """What a loader raised. Not raised within the steps, since a generator cannot pass `StopIteration` on."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
