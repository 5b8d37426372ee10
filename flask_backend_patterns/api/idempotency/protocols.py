"""What a store of idempotent results is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .stored_response import StoredResponse


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One idempotent request: its scoped key, its fingerprint (64 hexadecimal digits each), and its result's life."""

    key_hash: str
    fingerprint: str
    ttl_seconds: int


class Attempt(Protocol):
    """The right to run the request, from `begin` until `close`."""

    def end_view(self) -> None:
        """The view has returned: finish what it left unfinished; what this raises counts as raised by the view."""

    def undo(self) -> None:
        """The view has raised: undo what it did as far as that can be undone; the key stays taken."""

    def complete(self, result: StoredResponse) -> None:
        """Store `result`, together with what was written where the store can do that."""

    def close(self) -> None:
        """Give the key back, and undo everything, unless `complete` has succeeded."""


class IdempotencyStore(Protocol):
    """Keeps results. Thread-safe; one request at a time gets the attempt of a key, over all processes."""

    def begin(self, entry: Entry) -> StoredResponse | Attempt:
        """The result of an earlier request, or the right to run this one.

        Raises the refusals for a key in progress (409) and one of another request (422), and what means 503 when the
        store is away.
        """
