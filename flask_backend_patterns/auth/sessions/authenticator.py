"""Server-side sessions: the browser holds an opaque cookie, everything else is in the store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

from flask import request

from ...errors import CacheError, ForbiddenError, InvalidTokenError, ServiceUnavailableError
from ..csrf import SAFE_METHODS, is_same
from ..identity import Actor
from ..settings import OPEN
from .cookie_value import CookieValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..permissions import Permissions
    from .keys import SessionKeys
    from .protocols import NearCache, SessionStore
    from .session import CookieSession

CSRF_HEADER: Final = "X-CSRF-TOKEN"
CSRF_FIELD: Final = "csrf_token"
RETRY_SECONDS: Final = 1.0


def csrf_cookie_name(cookie_name: str) -> str:
    """The cookie that scripts of the page read and send back in `X-CSRF-TOKEN`."""
    return f"{cookie_name}_csrf"


@dataclass(slots=True, kw_only=True)
class LiveSession:
    """What a process remembers of a session; times by the authenticator's clock.

    `touch_at` is when its use has to be noted again, `ends_at` when it is over unless that succeeds. `roles` are those
    that count, and until `check_at` the user is taken to be as the store said.
    """

    session: CookieSession
    secret_hash: str = field(repr=False)
    touch_at: float
    ends_at: float
    roles: tuple[str, ...]
    check_at: float


class SessionAuthenticator:
    """The authenticator `session`: no round trip while the near cache knows the session, but one in `touch_seconds`.

    `roles_of` gives a user's roles of today, None for one who is gone or not active: it is asked at first sight and then
    once in `touch_seconds`, its roles take the place of the session's, and None ends the session. What it raises goes
    to the caller, who is not let in unasked. Without it the roles are those that the session began with.

    Methods that change something need the CSRF value of the session, in `X-CSRF-TOKEN` or the form field
    `csrf_token`. While Redis is away, sessions that this process knows go on if `access_outage` is `open`; others are
    answered with 503, since an opaque cookie says nothing by itself.
    """

    name = "session"

    def __init__(  # noqa: PLR0913 - its surroundings, keyword only
        self,
        *,
        sessions: SessionStore,
        keys: SessionKeys,
        cache: NearCache,
        cookie_name: str,
        permissions_of: Callable[[tuple[str, ...], tuple[str, ...] | None], Permissions],
        access_outage: str,
        expand_roles: Callable[[tuple[str, ...]], tuple[str, ...]] | None = None,
        roles_of: Callable[[str], tuple[str, ...] | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._cache = cache
        self._cookie_name = cookie_name
        self._permissions_of = permissions_of
        self._expand_roles = expand_roles
        self._roles_of = roles_of
        self._is_open = access_outage == OPEN
        self._clock = clock
        sessions.listen(cache.discard)

    @property
    def challenge(self) -> str | None:
        """None: there is no scheme for cookies (RFC 9110, 11.6.1)."""
        return None

    @property
    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """An API key in a cookie, as OpenAPI calls it."""
        return {"session": {"type": "apiKey", "in": "cookie", "name": self._cookie_name}}

    def authenticate(self) -> Actor | None:
        """See `Authenticator`."""
        text = request.cookies.get(self._cookie_name)
        if not text:
            return None
        cookie = CookieValue.parse(text)
        if cookie is None:
            raise InvalidTokenError
        key = self._keys.of_tag(cookie.tag).session(cookie.session_id)
        live = self._find(key, cookie)
        if not compare_digest(live.secret_hash, cookie.secret_hash):
            raise _ended()
        if request.method not in SAFE_METHODS:
            require_csrf(cookie)
        if self._clock() >= live.touch_at:
            self._touch(live, key, cookie)
        if self._roles_of is not None and self._clock() >= live.check_at:
            self._check_user(live, self._roles_of)
        return self._actor(live)

    def _find(self, key: str, cookie: CookieValue) -> LiveSession:
        try:
            return self._cache.get_or_load(key, lambda: self._load(cookie))
        except CacheError as error:
            known = self._cache.peek(key)
            if self._is_open and isinstance(known, LiveSession) and self._clock() < known.ends_at:
                return known
            raise ServiceUnavailableError(retry_after=error.retry_after) from error

    def _load(self, cookie: CookieValue) -> LiveSession:
        """From the store; what does not count is raised, so that invented cookies push nothing out of the cache."""
        now = self._clock()
        session = self._sessions.touch(cookie)
        if session is None:
            raise _ended()
        return LiveSession(
            session=session,
            secret_hash=cookie.secret_hash,
            touch_at=now + self._sessions.touch_seconds,
            ends_at=now + session.remaining_seconds,
            roles=session.roles,
            check_at=now,
        )

    def _touch(self, live: LiveSession, key: str, cookie: CookieValue) -> None:
        """Note the use, and learn whether the session is still there."""
        now = self._clock()
        live.touch_at = now + self._sessions.touch_seconds  # first, so that one thread does it
        try:
            session = self._sessions.touch(cookie)
        except CacheError as error:
            live.touch_at = now + RETRY_SECONDS
            if self._is_open and now < live.ends_at:
                return
            raise ServiceUnavailableError(retry_after=error.retry_after) from error
        if session is None:
            self._cache.discard(key)
            raise _ended()
        live.session = session
        live.ends_at = now + session.remaining_seconds

    def _check_user(self, live: LiveSession, roles_of: Callable[[str], tuple[str, ...] | None]) -> None:
        """Take the user's roles of today; the session of one who may not log in any more ends."""
        now = self._clock()
        roles = roles_of(live.session.subject)
        if roles is None:
            try:
                self._sessions.revoke(subject=live.session.subject, session_id=live.session.id)
            except CacheError as error:  # refused all the same, and asked again at the next request
                raise _ended() from error
            raise _ended()
        live.roles = roles
        # Last, so that no thread goes on with roles that nobody has looked up.
        live.check_at = now + self._sessions.touch_seconds

    def _actor(self, live: LiveSession) -> Actor:
        session = live.session
        return Actor(
            id=session.subject,
            roles=live.roles if self._expand_roles is None else self._expand_roles(live.roles),
            permissions=self._permissions_of(live.roles, None),
            claims={"sub": session.subject, "sid": session.id, "iat": session.created_at, "fresh": True},
            method=self.name,
            session_id=session.id,
        )


def csrf_failure(header: str = CSRF_HEADER) -> ForbiddenError:
    """What a request is answered whose cookies another site may have sent; `header` is where the CSRF value belongs."""
    return ForbiddenError(
        f"The CSRF token is missing or wrong; send the value of its cookie as {header}.", code="CSRF_FAILED"
    )


def require_csrf(cookie: CookieValue) -> None:
    """The value has to come from somebody who can read the page's cookies, which other sites cannot."""
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    if not is_same(sent, cookie.csrf):
        raise csrf_failure()


def _ended() -> InvalidTokenError:
    return InvalidTokenError("The session has ended; log in again.", code="TOKEN_REVOKED")
