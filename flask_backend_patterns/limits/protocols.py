"""What the parts of the feature say to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Charge(NamedTuple):
    """A request's weight on one limit: `amount` in `window_seconds` for `key`; `cost` of it is asked for now (0: only look).

    `strategy` is one of `limits.settings`. With GCRA `amount` is the burst, refilled evenly over the window. A named
    tuple, since each request makes one: a frozen dataclass takes five times as long.
    """

    key: str
    amount: int
    window_seconds: int
    cost: int
    strategy: str


class Standing(NamedTuple):
    """Where a limit stands after a decision.

    `remaining` is what may still be asked for now, `reset_seconds` until it is all there again, `retry_seconds` until
    the cost asked for fits (0.0 when it was allowed by this limit; the cost may never fit: then the whole window).
    `is_stopgap`: this process has decided alone, since Redis could not; it means nothing once Redis can again.
    """

    is_allowed: bool
    remaining: int
    reset_seconds: float
    retry_seconds: float
    is_stopgap: bool = False


class Windows(Protocol):
    """Counts. One call is one atomic step: all charges fit and are taken, or none is."""

    def charge(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """The standing of each, in order; the request may go on when all are allowed. Redis: raises `CacheError`."""

    def clear(self, *keys: str) -> None:
        """Forget what was counted for these keys."""

    def clear_all(self, prefix: str) -> int:
        """Forget what was counted for all keys that begin so; how many counts there were."""


class Caller(Protocol):
    """Who sends a request, as authentication has it (`auth.Actor`)."""

    @property
    def id(self) -> str:
        """Never empty."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Inherited ones included."""

    @property
    def method(self) -> str:
        """`jwt`, `cookie`, `api_key` or `session`."""

    @property
    def credential_id(self) -> str | None:
        """The token's `jti`, or the id of the API key."""


class Feed(Protocol):
    """Tells all processes that something has changed (`cache.InvalidationFeed`)."""

    @property
    def is_trusted(self) -> bool:
        """Whether everything that changes is heard; begins to listen."""

    def listen(self, listener: Callable[[tuple[str, ...] | None], None]) -> None:
        """Call `listener` with the keys that have changed, None for any."""

    def publish(self, *keys: str) -> None:
        """These keys have changed; `CacheError` when the other processes could not be told."""
