"""A login: who, since when, on which device; what creating and rotating one gives and takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..settings import OPEN

if TYPE_CHECKING:
    from datetime import datetime

    from ..settings import AuthSettings

MICROSECONDS: Final = 1_000_000
MAX_USER_AGENT_CHARACTERS: Final = 200
MAX_NAME_CHARACTERS: Final = 100
MAX_ADDRESS_CHARACTERS: Final = 64


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where somebody logged in from, for them to recognize: shown to nobody else. Longer text is cut."""

    user_agent: str = ""
    address: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        for name, size in (
            ("user_agent", MAX_USER_AGENT_CHARACTERS),
            ("address", MAX_ADDRESS_CHARACTERS),
            ("name", MAX_NAME_CHARACTERS),
        ):
            object.__setattr__(self, name, _plain(getattr(self, name), size))


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login of a user. Times are in UTC, by the clock of Redis.

    `kind` is `tokens` (a family of refresh tokens) or `cookie`. `last_used_at` is when it was last refreshed; of cookie
    sessions it is exact to a minute. `expires_at` is when it ends unless it is used.
    """

    id: str
    subject: str
    kind: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    device: Device
    is_current: bool = False


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """How long things last, in seconds.

    `idle_seconds` is for cookie sessions. `access_token_seconds` is how long a record that a session is revoked is kept:
    as long as an access token of it may be accepted; `any_token_seconds` the same for all tokens of a user.
    """

    refresh_seconds: float
    session_seconds: float
    idle_seconds: float
    grace_seconds: float
    access_token_seconds: float
    any_token_seconds: float

    @classmethod
    def from_settings(
        cls, settings: AuthSettings, *, leeway_seconds: float = 0.0, foreign_token_seconds: float = 0.0
    ) -> Lifetimes:
        """By the settings; `foreign_token_seconds` is the longest life of a token that others make for this app."""
        # A second on top: `exp` is a whole number, rounded up. With an open outage a refresh token that was revoked
        # before may get an access token later.
        longest = settings.refresh_seconds if settings.refresh_outage == OPEN else settings.access_seconds
        access = longest + leeway_seconds + 1
        return cls(
            refresh_seconds=settings.refresh_seconds,
            session_seconds=settings.session_seconds,
            idle_seconds=settings.session_idle_seconds,
            grace_seconds=settings.refresh_grace_seconds,
            access_token_seconds=access,
            any_token_seconds=max(
                access, foreign_token_seconds, settings.refresh_seconds + leeway_seconds + 1
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The live refresh token of a session, as the store has it; times in microseconds since the epoch.

    `seed` is what the CSRF values are derived from. `is_replay` when a spent token has been given its successor again.
    """

    session_id: str
    token_id: str
    seed: str = field(repr=False)
    issued_at: int
    expires_at: int
    is_replay: bool = False


@dataclass(frozen=True, kw_only=True)
class CookieSession:
    """A cookie session that counts. `remaining_seconds` is how long, from when it was read, unless it is used."""

    id: str
    subject: str
    roles: tuple[str, ...]
    created_at: float
    remaining_seconds: float


def _plain(text: object, size: int) -> str:
    """Printable characters only: the text comes from clients and is shown in pages and terminals."""
    return "".join(character for character in str(text)[: 4 * size] if character.isprintable())[:size]
