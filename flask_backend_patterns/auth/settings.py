"""Settings of authentication and authorization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .._config import FeatureSettings, setting

ALLOW, DENY = "allow", "deny"
OPEN, CLOSED = "open", "closed"
MAX_SECONDS = 10 * 31_536_000


@dataclass(frozen=True, kw_only=True)
class AuthSettings(FeatureSettings):
    """Who callers are, how they show it, and what they may do.

    Secrets and algorithms of a single key, issuer, audience, leeway and cookies are Flask-JWT-Extended's own `JWT_*` keys.
    """

    PREFIX: ClassVar[str] = "BACKEND_AUTH_"

    default: str = setting(
        ALLOW,
        choices=(ALLOW, DENY),
        doc="`deny` refuses every route that no declaration speaks for (`@require_auth`, ..., `@public`).",
    )
    public_endpoints: tuple[str, ...] = setting(
        ("static", "*.static"),
        doc="Endpoints (with `*` for anything) that `deny` lets through although nothing is declared.",
    )
    authenticators: tuple[str, ...] = setting(
        ("jwt",),
        doc="Of `jwt` (header, and cookie if JWT_TOKEN_LOCATION has it), `api_key`, `session`: headers are asked in "
        "this order, then cookies.",
    )
    scheme: str | None = setting(
        None, doc="The word before the token in `Authorization`; default: JWT_HEADER_TYPE, which is `Bearer`."
    )
    keys: Any = setting(
        None,
        secret=True,
        doc="Signing keys by id: `{id: {algorithm, secret | private_key | public_key}}`; keys in PEM.",
    )
    signing_key: str | None = setting(
        None,
        doc="The id of the key that signs; the others only verify. Default: JWT_SECRET_KEY or JWT_PRIVATE_KEY where set, else the only one that can sign.",
    )
    access_seconds: int = setting(900, minimum=1, maximum=86_400, doc="How long an access token lives.")
    refresh_seconds: int = setting(
        604_800, minimum=1, maximum=MAX_SECONDS, doc="How long a refresh token lives, unless it is used."
    )
    session_seconds: int = setting(
        7_776_000,
        minimum=1,
        maximum=MAX_SECONDS,
        doc="How long a login lasts at most, however often it is refreshed.",
    )
    refresh_grace_seconds: int = setting(
        10,
        minimum=0,
        maximum=300,
        doc="How long a spent refresh token gives its successor again (a lost answer).",
    )
    access_outage: str = setting(
        OPEN, choices=(OPEN, CLOSED), doc="Redis is away: `open` trusts access tokens until they expire."
    )
    refresh_outage: str = setting(
        CLOSED,
        choices=(CLOSED, OPEN),
        doc="Redis is away: `open` gives access tokens for refresh tokens unchecked.",
    )
    scope_claim: str = setting(
        "scope",
        doc="The claim that narrows what a token may do; empty where an issuer means something else by it.",
    )
    max_token_bytes: int = setting(
        8_192, minimum=256, maximum=65_536, doc="A longer credential is refused unread."
    )
    token_cache_entries: int = setting(
        10_000, minimum=0, maximum=1_000_000, doc="How many verified tokens a process remembers."
    )
    roles: Any = setting(
        None,
        doc="`{role: [permission, ...]}` or `{role: {permissions, inherits}}`, or a function that returns it.",
    )
    roles_cache_seconds: float = setting(
        30.0,
        minimum=0,
        maximum=86_400,
        doc="How long the answer of a function in BACKEND_AUTH_ROLES is used.",
    )
    users: Any = setting(
        None, doc="The user store, or a function that makes it; also `BackendPatterns(users=...)`."
    )
    notifier: Any = setting(
        None,
        doc="A function that delivers reset and verification tokens; also `BackendPatterns(notifier=...)`.",
    )
    api_key_header: str = setting("X-API-Key", doc="The header that carries an API key.")
    api_key_prefix: str = setting("bk", doc="How API keys begin, so that scanners find leaked ones.")
    api_key_cache_seconds: float = setting(
        60.0,
        minimum=0,
        maximum=3_600,
        doc="How long a verified API key is remembered; revoking ends it at once.",
    )
    session_cookie: str = setting("backend_session", doc="The cookie of server-side sessions.")
    session_idle_seconds: int = setting(
        86_400,
        minimum=1,
        maximum=MAX_SECONDS,
        doc="A server-side session ends after this long without a request.",
    )
    password_min_length: int = setting(10, minimum=8, maximum=128, doc="In characters.")
    password_time_cost: int = setting(3, minimum=1, maximum=100, doc="Argon2id: passes.")
    password_memory_kib: int = setting(65_536, minimum=8, maximum=4_194_304, doc="Argon2id: memory in KiB.")
    password_parallelism: int = setting(4, minimum=1, maximum=64, doc="Argon2id: lanes.")
    password_concurrency: int | None = setting(
        None,
        minimum=1,
        maximum=1_024,
        doc="How many passwords a process hashes at a time; default: its processors.",
    )
    password_rehash: bool = setting(
        default=True,
        doc="A login replaces a hash made with other parameters, or by `werkzeug.security`; see docs/users.md.",
    )
    password_check: Callable[..., Any] | None = setting(
        None,
        doc="A function `(password, login) -> sentences` that finds further weaknesses of a new password; none: it is fine.",
    )
    reset_seconds: int = setting(
        3_600, minimum=60, maximum=604_800, doc="How long a password reset token counts."
    )
    verification_seconds: int = setting(
        86_400, minimum=60, maximum=2_592_000, doc="How long an e-mail verification token counts."
    )
    failures_per_address: str = setting("30/15 minutes", doc="Failed logins from one address.")
    failures_per_account: str = setting(
        "10/15 minutes",
        doc="Failed logins on one account, from addresses that never logged in to it. Messages: a third of it for one address, ten times for all.",
    )
    failures_free: int = setting(
        5,
        minimum=1,
        maximum=1_000,
        doc="Failed logins of one address on one account after which it has to wait before the next.",
    )
    failures_wait_seconds: float = setting(
        1.0,
        minimum=0,
        maximum=3_600,
        doc="How long at first; twice as long after each further one. 0: no waiting.",
    )
    failures_longest_wait_seconds: float = setting(
        30.0,
        minimum=0,
        maximum=86_400,
        doc="How long at most; until one login succeeds or the failures are forgotten.",
    )
    oauth_providers: Any = setting(
        None,
        secret=True,
        doc="OpenID Connect providers by name: `{name: {issuer, client_id, client_secret, ...}}`.",
    )
