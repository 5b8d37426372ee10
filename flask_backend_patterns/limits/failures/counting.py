"""Limits on failed logins, by address and by account (PITFALLS L3).

Only failures count. An attempt holds a place while its password is looked at and gives it back when it succeeds, so
that no flood of attempts at the same time gets more of them looked at than the rate allows. An attempt that is refused
holds none: trying on does not prolong the wait.

Nobody can lock an account's owner out: an address that has logged in to the account passes its limit (for 30 days).
Beside the windows each pair of address and account waits longer and longer after its failures: see `Waits`.

Requests for messages all count, and apart from logins: few for one address and one account, so that one address is soon
stopped, and many for an account, so that the owner is not stopped with it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
import unicodedata
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..._config import ConfigError
from ...errors import CacheError, RateLimitError, ServiceUnavailableError
from ..networks import network_of
from .waits import Waits
from .windows.memory import MemoryFailureWindows
from .windows.protocols import Bucket, Rate, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .windows.protocols import FailureWindows

OVERLOADED = "OVERLOADED"  # the code of a 503 for want of room to hash passwords
# Messages, in terms of failures on an account: a third of them for one address, ten times as many for all.
MESSAGES_PER_PAIR, MESSAGES_PER_ACCOUNT = 1 / 3, 10


class Attempt:
    """One attempt to log in, and how it ended; without a verdict (the database was away) it counts for nothing."""

    __slots__ = ("verdict",)

    def __init__(self) -> None:
        self.verdict = Verdict.NONE

    def fail(self) -> None:
        """The credentials were wrong."""
        self.verdict = Verdict.FAILED

    def succeed(self) -> None:
        """The credentials were right: earlier failures of this address on this account are forgotten."""
        self.verdict = Verdict.SUCCEEDED


@dataclass(frozen=True, kw_only=True)
class _Places:
    """What an attempt holds: a place in each of the buckets."""

    windows: FailureWindows
    buckets: tuple[Bucket, ...]
    attempt: str

    def settle(self, verdict: Verdict) -> None:
        for bucket in self.buckets:
            self.windows.settle(bucket, self.attempt, verdict)

    def settle_overload(self) -> None:
        """The address has asked for more than there is room for; nothing was found out about the account."""
        for index, bucket in enumerate(self.buckets):  # the address's comes first
            self.windows.settle(bucket, self.attempt, Verdict.NONE if index else Verdict.FAILED)


class _Store:
    """Where processes count together, looked for at first use."""

    def __init__(self, find: Callable[[], FailureWindows | None] | None) -> None:
        self._find = find

    @cached_property
    def shared(self) -> FailureWindows | None:
        return None if self._find is None else self._find()


class Failures:
    """Counts failed attempts in the windows that `find_shared` gives, in this process while they are away.

    `find_shared` is called once, at first use; None, or a function that returns None, counts in this process only.
    `per_address` and `per_account` are rates in the notation of `limits` (`"10/15 minutes; 50/day"`); others raise
    `ConfigError`. Without `waits` nobody waits between failures. Addresses and logins are kept as hashes only, keyed with `secret` where one is given. `clock` is
    for the windows of this process, in seconds. Thread-safe.
    """

    def __init__(
        self,
        *,
        per_address: str,
        per_account: str,
        find_shared: Callable[[], FailureWindows | None] | None = None,
        secret: str | bytes | None = None,
        waits: Waits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        problems: list[str] = []
        self._per_address = read_rates("BACKEND_AUTH_FAILURES_PER_ADDRESS", per_address, problems)
        self._per_account = read_rates("BACKEND_AUTH_FAILURES_PER_ACCOUNT", per_account, problems)
        if problems:
            raise ConfigError(problems)
        self._messages_per_pair = _scaled(self._per_account, MESSAGES_PER_PAIR)
        self._messages_per_account = _scaled(self._per_account, MESSAGES_PER_ACCOUNT)
        self._secret = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret or b""
        self._waits = waits
        self._own = MemoryFailureWindows(clock=clock)
        self._store = _Store(find_shared)

    @property
    def _shared(self) -> FailureWindows | None:
        return self._store.shared

    def limited_to(
        self, *, per_address: tuple[Rate, ...] | None = None, per_account: tuple[Rate, ...] | None = None
    ) -> Failures:
        """The same counts held against other rates, None for the same ones; those of messages stay."""
        other = copy(self)
        other._per_address = per_address or self._per_address  # noqa: SLF001 - it is one of us
        other._per_account = per_account or self._per_account  # noqa: SLF001 - as above
        return other

    @contextmanager
    def attempt(
        self, *, address: str | None, account: str | None = None, kind: str = "login"
    ) -> Iterator[Attempt]:
        """Hold a place while credentials are looked at; `RateLimitError` with `retry_after` when there is none.

        `account` is what was typed to log in; without one (a refresh or reset token) the address alone counts. Each
        `kind` of attempt is counted apart. Call `fail` or `succeed` on what this gives. What ends with 503 `OVERLOADED`
        counts for the address: a flood that takes all the room there is ends at its limit.
        """
        places = self._hold(self._buckets(address, account, kind))
        attempt = Attempt()
        try:
            yield attempt
        except ServiceUnavailableError as error:
            if error.code == OVERLOADED and attempt.verdict is Verdict.NONE:
                with suppress(CacheError):  # the places end by themselves
                    places.settle_overload()
            raise
        finally:
            self._settle(places, attempt.verdict)

    def count_message(self, *, address: str | None, account: str, kind: str) -> None:
        """Somebody wants a message sent to `account`; `RateLimitError` with `retry_after` when it is one too many.

        Counted whether or not the account exists; each `kind` of message apart, but all together by address.
        """
        of_address, of_account = self._sides(address, account)
        total = Bucket(
            key=of_account, kind=kind, other=of_address, rates=self._messages_per_account, has_known=True
        )
        pair = Bucket(
            key=of_account, kind=f"{kind}:{of_address}", other=of_address, rates=self._messages_per_pair
        )
        by_address = Bucket(key=of_address, kind="message", other=of_account, rates=self._per_address)
        self._settle(self._hold((by_address, pair, total)), Verdict.FAILED)

    def note_success(self, *, address: str, account: str) -> None:
        """The account's owner has shown from here who they are."""
        windows = self._shared or self._own
        self._settle(
            _Places(windows=windows, buckets=self._buckets(address, account), attempt=""), Verdict.SUCCEEDED
        )

    def note_recovery(self, *, address: str, account: str) -> None:
        """The same by a mailed token: nobody else is known to the account from now on.

        Other processes may let an address pass that was known before while Redis is away.
        """
        for windows in (self._own, self._shared):
            if windows is not None:
                with suppress(CacheError):  # they are known for 30 days at most
                    windows.forget_known(self._buckets(address, account)[1])
        self.note_success(address=address, account=account)

    def hidden(self, login: str) -> str:
        """A short hash, for logs: the same for each spelling of one login."""
        return self._hash("account", account_of(login))[:16]

    def _buckets(self, address: str | None, account: str | None, kind: str = "login") -> tuple[Bucket, ...]:
        of_address, of_account = self._sides(address, account)
        by_address = Bucket(key=of_address, kind=kind, other=of_account, rates=self._per_address)
        if account is None:
            return (by_address,)
        return (
            by_address,
            Bucket(
                key=of_account,
                kind=kind,
                other=of_address,
                rates=self._per_account,
                has_known=True,
                waits=self._waits,
            ),
        )

    def _sides(self, address: str | None, account: str | None) -> tuple[str, str]:
        """The hashes of the address and, if there is one, of the account."""
        of_account = "" if account is None else self._hash("account", account_of(account))
        return self._hash("address", network_of(address)), of_account

    def _hash(self, *parts: str) -> str:
        message = "\0".join(parts).encode(errors="surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:32]

    def _hold(self, buckets: tuple[Bucket, ...]) -> _Places:
        if self._shared is not None:
            with suppress(CacheError):  # the outage is in the log; count here until it is over
                return _hold_in(self._shared, buckets)
        return _hold_in(self._own, buckets)

    def _settle(self, places: _Places, verdict: Verdict) -> None:
        if verdict is Verdict.SUCCEEDED and places.windows is not self._own:
            # Known here too, so that the owner passes while Redis is away.
            _Places(windows=self._own, buckets=places.buckets, attempt="").settle(verdict)
        with suppress(CacheError):  # the place ends by itself
            places.settle(verdict)


def _hold_in(windows: FailureWindows, buckets: tuple[Bucket, ...]) -> _Places:
    """A place in each of `buckets`, or in none and `RateLimitError`."""
    attempt = secrets.token_hex(8)
    for index, bucket in enumerate(buckets):
        wait = windows.reserve(bucket, attempt)
        if wait > 0:
            _Places(windows=windows, buckets=buckets[:index], attempt=attempt).settle(Verdict.NONE)
            raise RateLimitError("Too many failed attempts. Please wait and try again.", retry_after=wait)
    return _Places(windows=windows, buckets=buckets, attempt=attempt)


def _scaled(rates: tuple[Rate, ...], factor: float) -> tuple[Rate, ...]:
    return tuple(Rate(amount=math.ceil(rate.amount * factor), seconds=rate.seconds) for rate in rates)


def read_rates(key: str, text: str, problems: list[str]) -> tuple[Rate, ...]:
    """The rates that `text` names; what is wrong with the setting `key` is appended to `problems`."""
    from limits import parse_many

    try:
        rates = tuple(Rate(amount=item.amount, seconds=item.get_expiry()) for item in parse_many(text))
    except ValueError:
        rates = ()
    if not rates or any(rate.amount < 1 for rate in rates):
        problems.append(f"{key} is {text!r}; expected rates such as '10/15 minutes' or '10/minute; 50/day'")
    return rates


def account_of(login: str) -> str:
    """One spelling for all that may mean the same account."""
    return unicodedata.normalize("NFKC", login).strip().casefold()
