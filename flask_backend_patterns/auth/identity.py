"""Who is calling: found once in a request, by the first authenticator that sees credentials of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from flask import has_request_context, request
from werkzeug.local import LocalProxy

from .._contribution import ACTOR_ASKED_KEY, ACTOR_ID_KEY
from ..errors import UnauthorizedError
from .permissions import NO_PERMISSIONS, Permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocols import Authenticator

_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})
_ATTRIBUTE = "backend_actor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody, or some program, that sends requests.

    `method` says how it authenticated: `jwt`, `cookie` (a token in a cookie), `api_key`, `session` or `anonymous`. `permissions` are what its roles grant, narrowed to `scopes` where the credentials have any.
    `credential_id` is the token's `jti` or the id of the API key.
    """

    id: str
    roles: tuple[str, ...] = ()
    permissions: Permissions = NO_PERMISSIONS
    scopes: tuple[str, ...] | None = None
    claims: Mapping[str, Any] = field(default_factory=lambda: _NO_CLAIMS, repr=False)
    method: str
    session_id: str | None = None
    credential_id: str | None = None

    @property
    def is_authenticated(self) -> bool:
        """False for anonymous callers only."""
        return self.method != "anonymous"

    def has_role(self, *roles: str) -> bool:
        """Whether it has one of them; inherited roles count where `roles` were expanded when the actor was made."""
        return any(role in self.roles for role in roles)


ANONYMOUS = Actor(id="", method="anonymous")


class Identification:
    """Runs the authenticators; stateless, shared by threads."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self.authenticators = tuple(authenticators)

    def actor(self) -> Actor:
        """Who sends the request being served, `ANONYMOUS` without credentials.

        Raises `UnauthorizedError` for credentials that do not count: they are never taken for none.
        """
        _request().environ[ACTOR_ASKED_KEY] = True
        known = known_actor()
        if known is not None:
            return known
        for authenticator in self.authenticators:
            actor = authenticator.authenticate()
            if actor is not None:
                return self.remember(actor)
        return self.remember(ANONYMOUS)

    def require(self) -> Actor:
        """The same; an anonymous caller is an `UnauthorizedError` with a challenge of each authenticator."""
        actor = self.actor()
        if actor is ANONYMOUS:
            challenges = [found for item in self.authenticators if (found := item.challenge) is not None]
            raise UnauthorizedError(scheme=", ".join(dict.fromkeys(challenges)) or "Bearer")
        return actor

    @staticmethod
    def remember(actor: Actor) -> Actor:
        """For the rest of the request being served `current_actor` is `actor`; returns it."""
        current = _request()
        # On the request itself: `g` belongs to the app context, which may outlive a request.
        vars(current)[_ATTRIBUTE] = actor
        current.environ[ACTOR_ID_KEY] = actor.id
        return actor


def known_actor() -> Actor | None:
    """Whom the request being served was found to come from, if anything has asked yet; reads no credentials."""
    if not has_request_context():
        return None
    return cast("Actor | None", vars(_request()).get(_ATTRIBUTE))


def _request() -> Any:
    return request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - a proxy has no dict


def _current() -> Actor:
    from .state import auth_state

    return auth_state().identification.actor()


# Who sends the request being served; `ANONYMOUS` when it carries no credentials.
current_actor: Actor = cast("Actor", LocalProxy(_current))
