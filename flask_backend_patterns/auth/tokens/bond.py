"""Keeps Flask-JWT-Extended working beside us: when it is looked for, and what it finds in a request.

The package itself is only imported where an app uses it: what touches it is in `extended.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flask import appcontext_pushed, current_app, g

from .faults import refusal
from .read_only import thawed

if TYPE_CHECKING:
    from flask import Flask

    from ..protocols import RevocationList
    from ..settings import AuthSettings
    from .claims import VerifiedToken
    from .extended import ManagerHooks
    from .keys import KeySet
    from .verifier import TokenVerifier

PACKAGE = "flask_jwt_extended"
MANAGER_KEY = "flask-jwt-extended"


@dataclass(frozen=True, kw_only=True)
class BondParts:
    """What the bond works with; `manager` is the `JWTManager` handed to `BackendPatterns(jwt=...)`, if one was."""

    settings: AuthSettings
    keys: KeySet
    verifier: TokenVerifier
    revocations: RevocationList | None = None
    manager: Any = None


class ExtendedBond:
    """The bond of one app with its `JWTManager`, set up before us, after us, or never.

    The app's own manager and its loaders are used, not replaced. Without one, ours is set up as soon as something
    needs it. What `get_jwt()` and its kin read is put in place when one of our authenticators accepts a token.
    """

    def __init__(self, parts: BondParts) -> None:
        self.parts = parts
        self._hooks: ManagerHooks | None = None
        self._lock = threading.Lock()
        self._is_installed = find_spec(PACKAGE) is not None

    def install(self, app: Flask) -> Callable[[], None]:
        """Look for the manager now and whenever `app` is entered before its first request; returns what undoes it."""
        if self.parts.settings.scheme is not None:
            app.config["JWT_HEADER_TYPE"] = self.parts.settings.scheme
        appcontext_pushed.connect(self._on_entered, sender=app)  # weakly: the app keeps us
        if MANAGER_KEY in app.extensions:
            self._connect(app)
        return lambda: self._uninstall(app)

    def _uninstall(self, app: Flask) -> None:
        appcontext_pushed.disconnect(self._on_entered, sender=app)
        if self._hooks is not None:
            self._hooks.release(app)

    def _on_entered(self, app: Flask, **_: Any) -> None:
        if MANAGER_KEY in app.extensions or PACKAGE in sys.modules:
            self._connect(app)
        if app._got_first_request:  # noqa: SLF001 - from then on Flask takes no extension
            appcontext_pushed.disconnect(self._on_entered, sender=app)

    def _connect(self, app: Flask) -> ManagerHooks | None:
        """Bind the app's manager, or one of ours; None while the one handed over is not set up yet.

        None too where Flask-JWT-Extended is not installed: then nobody asks for what it keeps.
        """
        if not self._is_installed:
            return None
        from .extended import hooks_of, set_up_manager

        with self._lock:
            manager = app.extensions.get(MANAGER_KEY)
            if manager is None and self.parts.manager is None:
                manager = set_up_manager(app)
            self._hooks = None if manager is None else hooks_of(manager)
            if self._hooks is not None:
                self._hooks.bind(app, self)
            return self._hooks

    def is_revoked(self, claims: Mapping[str, Any], identity_claim: str) -> bool:
        """Whether a token with these verified claims has been revoked."""
        revocations = self.parts.revocations
        session_id = claims.get("sid")
        return revocations is not None and revocations.is_revoked(
            subject=str(claims[identity_claim]),
            session_id=session_id if isinstance(session_id, str) else None,
            token_id=claims.get("jti"),
            issued_at=float(claims.get("iat", 0)),
        )

    def admit(self, token: VerifiedToken, location: str) -> None:
        """Ask the app's own loaders about `token`, and put what Flask-JWT-Extended keeps of a request in its place.

        Raises `InvalidTokenError` when a loader refuses: the token is on the blocklist, its claims do not please, or
        there is no such user.
        """
        hooks = self._hooks or self._connect(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
        header, claims = _copies(token)
        user = None
        if hooks is not None and hooks.has_loaders:
            refused, user = hooks.ask_loaders(header, claims)
            if refused is not None:
                code, reason = refused
                raise refusal(code, scheme=self.parts.verifier.rules.scheme, reason=reason)
        _remember(claims, header, user, location)

    def admit_nobody(self) -> None:
        """A request without a token: `get_jwt()` is empty then, as with `@jwt_required(optional=True)`."""
        _remember({}, {}, {"loaded_user": None}, None)


def _copies(token: VerifiedToken) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, claims) for one request to change as it likes."""
    known = token.notes.get(PACKAGE)
    if known is None:
        parts = thawed(token.header), complete(thawed(token.claims))
        known = token.notes[PACKAGE] = [(part, _nested(part)) for part in parts]
    (header, in_header), (claims, in_claims) = known
    return _copy(header, in_header), _copy(claims, in_claims)


def _nested(part: dict[str, Any]) -> list[str]:
    return [name for name, value in part.items() if isinstance(value, (dict, list))]


def _copy(part: dict[str, Any], nested: list[str]) -> dict[str, Any]:
    copied = dict(part)
    for name in nested:
        copied[name] = thawed(part[name])
    return copied


def complete(claims: dict[str, Any]) -> dict[str, Any]:
    """`claims` with what Flask-JWT-Extended adds where a token has none of it; changed in place."""
    claims.setdefault("type", "access")
    claims.setdefault("fresh", False)
    claims.setdefault("jti", None)
    return claims


def _remember(
    claims: dict[str, Any], header: dict[str, Any], user: dict[str, Any] | None, location: str | None
) -> None:
    vars(g._get_current_object()).update(  # noqa: SLF001 - a proxy has no dict
        _jwt_extended_jwt=claims,
        _jwt_extended_jwt_header=header,
        _jwt_extended_jwt_user=user,
        _jwt_extended_jwt_location=location,
    )
