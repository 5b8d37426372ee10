"""What authentication needs of limits on failed logins; built by `limits`, and handed over."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Attempt(Protocol):
    """One attempt to log in; without a verdict it counts for nothing."""

    def fail(self) -> None:
        """The credentials were wrong."""

    def succeed(self) -> None:
        """The credentials were right: earlier failures of this address on this account are forgotten."""


class Failures(Protocol):
    """Counts failed attempts, by address and by account. Thread-safe."""

    def attempt(
        self, *, address: str | None, account: str | None = None, kind: str = "login"
    ) -> AbstractContextManager[Attempt]:
        """Hold a place while credentials are looked at; `RateLimitError` with `retry_after` when there is none.

        `account` is what was typed to log in; without one the address alone counts. Each `kind` is counted apart.
        """

    def count_message(self, *, address: str | None, account: str, kind: str) -> None:
        """Somebody wants a message sent to `account`; `RateLimitError` when it is one too many."""

    def note_success(self, *, address: str, account: str) -> None:
        """The account's owner has shown from here who they are."""

    def note_recovery(self, *, address: str, account: str) -> None:
        """The same by a mailed token: nobody else is known to the account from now on."""

    def hidden(self, login: str) -> str:
        """A short hash, for logs: the same for each spelling of one login."""
