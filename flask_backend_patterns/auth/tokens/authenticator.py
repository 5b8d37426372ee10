"""Callers who show a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from flask import request

from ..identity import Actor
from .faults import REVOKED, refusal
from .places import COOKIES, HEADERS, TokenPlaces, read_header

if TYPE_CHECKING:
    from ..permissions import Permissions
    from ..protocols import RevocationList
    from .claims import VerifiedToken
    from .verifier import TokenVerifier

PermissionsOf = Callable[[tuple[str, ...], tuple[str, ...] | None], "Permissions"]
EVERYTHING = "*"
ExpandRoles = Callable[[tuple[str, ...]], tuple[str, ...]]


class Admission(Protocol):
    """What else has a say, and wants to know, about tokens that hold: the bond with Flask-JWT-Extended."""

    def admit(self, token: VerifiedToken, location: str) -> None:
        """A request carries `token`; raises `InvalidTokenError` to refuse it."""

    def admit_nobody(self) -> None:
        """A request carries no token."""


class JWTAuthenticator:
    """Finds out who calls by the token in a header or a cookie; shared by threads.

    `roles_in_force` gives another object whenever roles have changed: with it actors are remembered with their tokens.
    """

    name = "jwt"

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        permissions_of: PermissionsOf,
        revocations: RevocationList | None = None,
        places: TokenPlaces | None = None,
        expand_roles: ExpandRoles | None = None,
        roles_in_force: Callable[[], object] | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._verify = verifier.verify
        self._permissions_of = permissions_of
        self._is_revoked = None if revocations is None else revocations.is_revoked
        self._expand_roles = expand_roles
        self._roles_in_force = roles_in_force
        self._admission = admission
        self._places = places or TokenPlaces()
        self._lowered = self._places.scheme.lower()
        self._prefix = f"{self._places.scheme} " if self._places.scheme else ""
        self._environ_key = "HTTP_" + self._places.header.upper().replace("-", "_")
        self._challenge = self._places.challenge
        self._schemes = self._places.security_schemes()

    @property
    def challenge(self) -> str | None:
        """The scheme word, `Bearer` mostly."""
        return self._challenge

    @property
    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """`jwt` for the header, `jwtCookie` for the cookie."""
        return self._schemes

    def authenticate(self) -> Actor | None:
        """Who sends the request; None without a token. Raises `InvalidTokenError` for one that does not count.

        `ForbiddenError` for one in a cookie without its CSRF value.
        """
        for place in self._places.order:
            text = self._header_token() if place == HEADERS else request.cookies.get(self._places.cookie.name)
            if text:
                return self._actor(text, place)
        if self._admission is not None:
            self._admission.admit_nobody()
        return None

    def _header_token(self) -> str | None:
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        value: str | None = asked.environ.get(self._environ_key)
        if value is not None and self._prefix and value.startswith(self._prefix):
            token = value[len(self._prefix) :]
            if token and " " not in token and "," not in token:  # what nearly everybody sends
                return token
        return read_header(value, self._places.scheme, self._lowered)

    def _actor(self, text: str, place: str) -> Actor:
        token = self._verify(text)
        if place == COOKIES:
            self._places.cookie.require_csrf(request, token)
        if self._is_revoked is not None and self._is_revoked(
            subject=token.subject,
            session_id=token.session_id,
            token_id=token.token_id,
            issued_at=token.issued_at,
        ):
            raise refusal(
                REVOKED, scheme=self._places.scheme or "Bearer", reason="its session or itself was ended"
            )
        if self._admission is not None:
            self._admission.admit(token, place)
        return self._remembered(token, place)

    def _remembered(self, token: VerifiedToken, place: str) -> Actor:
        """The actor, made once for a token as long as the roles mean the same."""
        roles_in_force = None if self._roles_in_force is None else self._roles_in_force()
        known = token.notes.get(place)
        if known is not None and known[0] is roles_in_force:
            return cast("Actor", known[1])
        actor = self._make(token, place)
        if roles_in_force is not None:
            token.notes[place] = (roles_in_force, actor)
        return actor

    def _make(self, token: VerifiedToken, place: str) -> Actor:
        roles, scopes = token.roles, token.scopes
        # Who may do less than the roles allow does not count as one of them.
        named = roles if scopes is None or EVERYTHING in scopes else ()
        return Actor(
            id=token.subject,
            roles=named if self._expand_roles is None else self._expand_roles(named),
            permissions=self._permissions_of(roles, scopes),
            scopes=scopes,
            claims=token.claims,
            method="cookie" if place == COOKIES else "jwt",
            session_id=token.session_id,
            credential_id=token.token_id,
        )
