"""What the routes do: begin a login, and end it when the provider has sent the browser back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flask import Response, after_this_request, request, url_for

from ...errors import AppError, InvalidInputError, UnauthorizedError
from ..database import AuthDatabase
from ..identity import current_actor
from ..login.events import note
from ..state import auth_state
from .accounts import Accounts, Registration
from .answers import browser_answer, failure_location, unstored, wants_json
from .attempt import Attempt
from .finish import finish_login
from .identities import LinkedIdentities
from .parts import oauth_parts
from .refusals import CodeRefusedError, IdTokenError, LoginAttemptError
from .return_path import same_site_path

if TYPE_CHECKING:
    from .authorization import ExternalIdentity
    from .parts import OAuthParts

JsonAnswer: TypeAlias = Callable[[Mapping[str, Any]], Response]
# Parameters of an authorization response that mean something (RFC 6749, 4.1.2; RFC 9207); providers add others.
_MEANT: Final = ("state", "code", "error", "iss")


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The options of one `oauth_blueprint`; stateless. `json_answer` puts data into the app's wire format."""

    registration: Registration
    return_path: str
    failure_path: str | None
    json_answer: JsonAnswer

    def begin(self, provider: str, *, link_to: str | None = None) -> Response:
        """Send the browser to the provider, and have it remember why."""
        parts = _parts()
        login = parts.login(provider)
        attempt = Attempt(
            provider=provider,
            redirect_uri=login.provider.redirect_uri
            or url_for(".callback", provider=provider, _external=True),
            return_path=self._wanted_path(),
            begun_at=int(time.time()),
            link_to=link_to,
        )
        location = login.authorization_url(attempt)
        if link_to is not None or wants_json():
            response = unstored(self.json_answer({"authorization_url": location}))
        else:
            response = browser_answer(location)
        parts.cookies.keep(
            attempt, response, sent=request.cookies, is_secure=request.is_secure, path=_cookie_path(provider)
        )
        return response

    def end(self, provider: str) -> Response:
        """Find out who came back and log them in, or link the identity if that was what they wanted."""
        try:
            return self._end(provider)
        except AppError as error:
            reason = getattr(error, "reason", None)
            note("oauth_failed", is_warning=True, provider=provider[:32], code=error.code, reason=reason)
            if self.failure_path is None or wants_json():
                raise
            return browser_answer(failure_location(self.failure_path, error.code))

    def _end(self, provider: str) -> Response:
        parts = _parts()
        login = parts.login(provider)
        answer = _answer_of_provider()
        attempt = parts.cookies.find(answer["state"], request.cookies)
        if attempt is None:
            raise LoginAttemptError("no cookie of this browser has this state")
        _forget(parts, attempt)
        if attempt.provider != provider:
            raise LoginAttemptError("it was begun with another provider")
        with auth_state().failures.attempt(address=request.remote_addr) as counted:
            try:
                identity = login.complete(attempt, answer)
            except (CodeRefusedError, IdTokenError):
                counted.fail()
                raise
        if attempt.link_to is None:
            return self._open(identity, attempt)
        return self._link(identity, attempt, attempt.link_to)

    def _open(self, identity: ExternalIdentity, attempt: Attempt) -> Response:
        user, how = self._accounts().open(identity)
        response = finish_login(
            user, return_path=attempt.return_path, as_json=wants_json(), json_answer=self.json_answer
        )
        note("oauth_login", provider=identity.provider, user_id=user.auth_id, account=how)
        return response

    def _link(self, identity: ExternalIdentity, attempt: Attempt, user_id: str) -> Response:
        # Where the caller shows itself by cookies it is asked again; with tokens in headers the signed cookie of
        # the attempt, which only its browser has, has to do.
        if _caller_id() not in (None, user_id):
            raise LoginAttemptError("it was begun by another user")
        self._accounts().link(identity, user_id)
        note("oauth_linked", provider=identity.provider, user_id=user_id)
        if wants_json():
            return unstored(self.json_answer({"linked": identity.provider}))
        return browser_answer(attempt.return_path)

    def _accounts(self) -> Accounts:
        database = AuthDatabase()
        return Accounts(
            database,
            LinkedIdentities(database),
            auth_state().users.store,
            registration=self.registration,
        )

    def _wanted_path(self) -> str:
        wanted = request.args.get("next")
        if wanted is None:
            return self.return_path
        path = same_site_path(wanted)
        if path is None:
            detail = {
                "field": "next",
                "in": "query",
                "message": "Has to be a path of this site, such as /orders.",
            }
            raise InvalidInputError(details=[detail])
        return path


def _parts() -> OAuthParts:
    return oauth_parts(auth_state().settings.oauth_providers)


def _caller_id() -> str | None:
    """Who sends the request, if that can be told; credentials that have expired meanwhile tell nothing."""
    try:
        return current_actor.id if current_actor.is_authenticated else None
    except UnauthorizedError:
        return None


def _cookie_path(provider: str) -> str:
    return url_for(".begin", provider=provider)


def _answer_of_provider() -> dict[str, str]:
    """The parameters that mean something; each may be there once (RFC 6749, 3.1), and `state` has to be."""
    answer = {}
    for name in _MEANT:
        values = request.args.getlist(name)
        if len(values) > 1:
            raise LoginAttemptError(f"{name} is there more than once")
        if values:
            answer[name] = values[0]
    if not answer.get("state"):
        raise LoginAttemptError("the state is missing")
    return answer


def _forget(parts: OAuthParts, attempt: Attempt) -> None:
    """Whatever comes of it: the browser does not send it twice."""
    is_secure, path = request.is_secure, _cookie_path(attempt.provider)

    @after_this_request
    def drop(response: Response) -> Response:
        parts.cookies.drop(attempt, response, is_secure=is_secure, path=path)
        return response
