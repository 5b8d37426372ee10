"""Who is calling: found once in a request, by the first authenticator that sees credentials of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from flask import g, request
from werkzeug.local import LocalProxy

from .._contribution import ACTOR_ASKED_KEY, ACTOR_ID_KEY, ACTOR_MATTERS_KEY
from ..errors import UnauthorizedError
from .permissions import NO_PERMISSIONS, Permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Request

    from .protocols import Authenticator

_NO_CLAIMS: Mapping[str, Any] = MappingProxyType({})
_ATTRIBUTE, _SET_ASIDE = "backend_actor", "backend_set_aside"
# What Flask-JWT-Extended has on `g` for who has had a token verified, `{}` for none: others take it as a sign of that.
TOKEN = "_jwt_extended_jwt"  # noqa: S105 - a name
_OF_TOKENS = (TOKEN, "_jwt_extended_jwt_header", "_jwt_extended_jwt_user", "_jwt_extended_jwt_location")


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
        asked = _request()
        environ = asked.environ
        environ[ACTOR_ASKED_KEY] = environ[ACTOR_MATTERS_KEY] = True
        fields = vars(asked)
        if _SET_ASIDE in fields:
            _put_back(fields.pop(_SET_ASIDE))
        known = fields.get(_ATTRIBUTE)
        return cast("Actor", known) if known is not None else self._found(asked)

    def caller(self) -> Actor:
        """The same for who only counts requests: what is answered does not depend on it, so nothing says that it does."""
        asked = _request()
        fields = vars(asked)
        known = fields.get(_ATTRIBUTE)
        if known is not None:
            return cast("Actor", known)
        of_g = _fields_of_g()
        had_token = TOKEN in of_g
        try:
            return self._found(asked)
        finally:
            if not had_token:
                fields[_SET_ASIDE] = {name: of_g.pop(name) for name in _OF_TOKENS if name in of_g}

    def _found(self, asked: Request) -> Actor:
        for authenticator in self.authenticators:
            actor = authenticator.authenticate()
            if actor is not None:
                return _remembered(asked, actor)
        return _remembered(asked, ANONYMOUS)

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
        return _remembered(_request(), actor)


def _remembered(asked: Request, actor: Actor) -> Actor:
    # On the request itself: `g` belongs to the app context, which may outlive a request.
    vars(asked)[_ATTRIBUTE] = actor
    asked.environ[ACTOR_ID_KEY] = actor.id
    return actor


def _put_back(kept: dict[str, Any]) -> None:
    fields = _fields_of_g()
    if TOKEN not in fields:  # else somebody has verified one since
        fields.update(kept)


def _fields_of_g() -> dict[str, Any]:
    return vars(g._get_current_object())  # type: ignore[no-any-return]  # noqa: SLF001 - a proxy has no dict


def _request() -> Request:
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001 - a proxy has no dict


def _current() -> Actor:
    from .state import auth_state

    return auth_state().identification.actor()


# Who sends the request being served; `ANONYMOUS` when it carries no credentials.
current_actor: Actor = cast("Actor", LocalProxy(_current))
