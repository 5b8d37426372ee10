"""Invalidations within one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..feed import Listener


class LocalFeed:
    """For apps that run as a single process without Redis: always trusted; see `InvalidationFeed`."""

    is_trusted = True

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """See `InvalidationFeed`."""
        self._listeners = (*self._listeners, listener)

    def publish(self, *keys: str) -> None:
        """See `InvalidationFeed`."""
        for listener in self._listeners:
            listener(keys)
