"""Every kind of caller: how it authenticates, and what the audit has to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

from flask import current_app

from example_app.access import ROLES
from example_app.extensions import db
from flask_backend_patterns import issue_tokens, revoke_tokens
from flask_backend_patterns.auth.sessions import start_session
from flask_backend_patterns.auth.state import auth_state

from .audited_access import Standing
from .logins import bearer

Headers = dict[str, str]
SAFE = {"GET", "HEAD"}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`headers_of(user_id, role)` makes credentials of that user; `role` is the user's, for false ones too."""

    name: str
    role: str
    standing: Standing
    headers_of: Callable[[int, str], Headers]
    is_key: bool = False
    lacks_csrf: bool = False

    def standing_for(self, method: str) -> Standing:
        """A cookie without its CSRF value counts for reading."""
        if self.lacks_csrf and method not in SAFE:
            return Standing(counts=False)
        return self.standing


def _bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def _signed(**claims: object) -> Callable[[int, str], Headers]:
    return lambda user_id, role: _bearer(str(bearer(user_id, role, **claims).token))


def _revoked(user_id: int, role: str) -> Headers:
    pair = issue_tokens(user_id, roles=[role])
    revoke_tokens(user_id=user_id, session_id=pair.session_id)
    return _bearer(pair.access_token)


def _everywhere_logged_out(user_id: int, role: str) -> Headers:
    pair = issue_tokens(user_id, roles=[role])
    revoke_tokens(user_id=user_id)
    return _bearer(pair.access_token)


def _signature_of_another(user_id: int, role: str) -> Headers:
    head, claims, _ = str(bearer(user_id, role).token).split(".")
    signature = str(bearer(user_id + 1, role).token).split(".")[2]
    return _bearer(f"{head}.{claims}.{signature}")


def _key(
    *scopes: str, lives: timedelta | None = None, revoked: bool = False
) -> Callable[[int, str], Headers]:
    def make(user_id: int, _role: str) -> Headers:
        keys, ends = auth_state().api_keys, None if lives is None else datetime.now(UTC) + lives
        made = keys.create(str(user_id), name="matrix", scopes=scopes, expires_at=ends)
        if revoked:
            keys.revoke(str(user_id), made.api_key.id)
        return {"X-API-Key": made.key}

    return make


def _expired_key(user_id: int, role: str) -> Headers:
    headers = _key(lives=timedelta(hours=1))(user_id, role)
    table = db.metadata.tables["backend_api_keys"]
    with db.engine.begin() as connection:
        connection.execute(table.update().where(table.c.owner_id == str(user_id)).values(expires_at=1))
    return headers


def _cookie(*, csrf: bool = True) -> Callable[[int, str], Headers]:
    def make(user_id: int, role: str) -> Headers:
        response = current_app.response_class()
        with current_app.test_request_context():
            start_session(response, user_id, roles=[role])
        jar: SimpleCookie = SimpleCookie()
        for header in response.headers.getlist("Set-Cookie"):
            jar.load(header)
        headers = {"Cookie": "; ".join(f"{name}={jar[name].coded_value}" for name in jar)}
        return headers | ({"X-CSRF-TOKEN": jar["backend_session_csrf"].value} if csrf else {})

    return make


def _refused(name: str, headers_of: Callable[[int, str], Headers]) -> Caller:
    """Somebody who would be an admin, with credentials that do not count."""
    return Caller(name=name, role="admin", standing=Standing(counts=False), headers_of=headers_of)


def _holder(name: str, role: str, *scopes: str) -> Caller:
    standing = Standing(counts=True, role=role, scopes=scopes)
    return Caller(name=name, role=role, standing=standing, headers_of=_key(*scopes), is_key=True)


CALLERS = [
    Caller(name="nobody", role="customer", standing=Standing(counts=None), headers_of=lambda *_: {}),
    _refused("garbage", lambda *_: _bearer("garbage")),
    _refused("signature of another", _signature_of_another),
    _refused("expired", _signed(iat=1_700_000_000, exp=1_700_000_900)),
    _refused("refresh token", _signed(type="refresh")),
    _refused("revoked session", _revoked),
    _refused("logged out everywhere", _everywhere_logged_out),
    _refused("revoked key", _key("*", revoked=True)),
    _refused("expired key", _expired_key),
    *(
        Caller(
            name=role,
            role=role,
            standing=Standing(counts=True, role=role, is_fresh=True),
            headers_of=_signed(fresh=True),
        )
        for role in ROLES
    ),
    Caller(
        name="unknown role",
        role="customer",
        standing=Standing(counts=True, role=None),
        headers_of=_signed(roles=["king"]),
    ),
    Caller(
        name="token of narrow scope",
        role="admin",
        standing=Standing(counts=True, role="admin", scopes=("orders:read",)),
        headers_of=_signed(scope="orders:read"),
        is_key=True,
    ),
    _holder("key of narrow scope", "admin", "orders:read:own", "products:*"),
    _holder("key without scopes", "admin"),
    _holder("key wider than its owner", "customer", "orders:*", "products:update"),
    _holder("key for everything", "support", "*"),
    *(
        Caller(
            name=f"cookie of {role}",
            role=role,
            standing=Standing(counts=True, role=role, is_fresh=True),
            headers_of=_cookie(),
        )
        for role in ("customer", "support")
    ),
    Caller(
        name="cookie without CSRF value",
        role="admin",
        standing=Standing(counts=True, role="admin"),
        headers_of=_cookie(csrf=False),
        lacks_csrf=True,
    ),
]
