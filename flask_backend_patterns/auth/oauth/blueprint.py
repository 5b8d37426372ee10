"""The routes to log in by OpenID Connect providers: a blueprint that an app registers if it wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..._config import SetupError
from .accounts import Registration
from .return_path import same_site_path
from .routes import Routes

if TYPE_CHECKING:
    from flask import Response

    from ... import Blueprint

UserDetails = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def oauth_blueprint(  # noqa: PLR0913 - keyword only but for what every blueprint has
    name: str = "oauth",
    url_prefix: str = "/auth/oauth",
    *,
    registration: bool = True,
    unverified_registration: bool = False,
    user_details: UserDetails | None = None,
    return_path: str = "/",
    failure_path: str | None = None,
    link_fresh_seconds: int = 900,
) -> Blueprint:
    """`GET /<provider>` logs in, `POST /<provider>/link` links the caller's account, `GET /<provider>/callback` ends both.

    Providers are those of BACKEND_AUTH_OAUTH_PROVIDERS. Somebody unknown gets an account where `registration` is on
    and the provider has verified the address; with `unverified_registration` also where it has not (that account
    stays unverified). `user_details` makes from the claims what `UserStore.add` gets beside the address.
    After a login browsers go to `?next=`, or to `return_path`; after a failed one to `failure_path` with
    `?error=CODE`, without it they get the error as any client does.
    To link a provider the caller has to have logged in during the last `link_fresh_seconds`: whoever can link one can
    log in for ever.
    """
    for option, path in (("return_path", return_path), ("failure_path", failure_path)):
        if path is not None and same_site_path(path) is None:
            raise SetupError(
                f"oauth_blueprint({option}={path!r}): write a path of this site, such as '/login'."
            )
    from ... import Blueprint

    blueprint = Blueprint(
        name, __name__, url_prefix=url_prefix, description="Log in by OpenID Connect providers."
    )
    routes = Routes(
        registration=Registration(
            is_open=registration, takes_unverified=unverified_registration, details=user_details
        ),
        return_path=return_path,
        failure_path=failure_path,
        # Not around the views: they answer browsers too, which do not take JSON.
        json_answer=blueprint.response(200)(_same),
    )
    _add_routes(blueprint, routes, link_fresh_seconds)
    return blueprint


def _same(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


def _add_routes(blueprint: Blueprint, routes: Routes, link_fresh_seconds: int) -> None:
    from ..decorators import public, require_auth
    from ..login.limits import limits_failures

    next_parameter = {
        "name": "next",
        "in": "query",
        "description": "The path to go to afterwards.",
        "schema": {"type": "string", "example": "/orders"},
    }

    @blueprint.route("/<provider>", endpoint="begin")
    @public(reason="logging in by a provider", takes_credentials=True)
    @blueprint.doc(summary="Log in by a provider", parameters=[next_parameter])
    @blueprint.alt_response(303, description="To the provider.")
    def begin(provider: str) -> Response:
        """Redirect to the provider; a client that asks for JSON gets `authorization_url` instead."""
        return routes.begin(provider)

    @blueprint.route("/<provider>/link", endpoint="link", methods=["POST"])
    @require_auth(fresh_seconds=link_fresh_seconds)
    @blueprint.doc(summary="Link a provider to the caller's account", parameters=[next_parameter])
    def link(provider: str) -> Response:
        """Give the `authorization_url` to send the browser to; who logs in there can log in to this account from then on."""
        from ..identity import current_actor

        return routes.begin(provider, link_to=current_actor.id)

    @blueprint.route("/<provider>/callback", endpoint="callback")
    @public(reason="where providers send browsers back", takes_credentials=True)
    @limits_failures()
    @blueprint.doc(summary="Where the provider sends the browser back")
    @blueprint.alt_response(303, description="Logged in, or linked: to `next`.")
    def callback(provider: str) -> Response:
        """Log in (or link) whom the provider names; a client that asks for JSON gets the tokens."""
        return routes.end(provider)
