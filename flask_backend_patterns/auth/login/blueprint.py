"""Makes the blueprint with the routes to log in and all that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._config import SetupError
from ..settings import AuthSettings
from .api_key_views import add_api_keys
from .key_set_view import add_key_set
from .login_views import add_login, add_logout, add_refresh
from .options import DEFAULT_FEATURES, FEATURES, LoginOptions
from .password_views import add_password_change, add_reset
from .registration_views import add_registration, add_verification
from .session_views import add_sessions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Response
    from flask.blueprints import BlueprintSetupState
    from marshmallow import Schema

    from ... import Blueprint
    from .options import MakeClaims


def login_blueprint(  # noqa: PLR0913 - what an app chooses, keyword only
    name: str = "auth",
    *,
    url_prefix: str = "/auth",
    features: Iterable[str] = DEFAULT_FEATURES,
    cookies: bool | None = None,
    require_verified: bool = False,
    email_logins: bool = True,
    details: type[Schema] | None = None,
    claims: MakeClaims | None = None,
    **options: Any,
) -> Blueprint:
    """A blueprint to register on the app or its `Api`; make one for each app.

    `features` are those of `FEATURES` to have; all but `api_keys` unless told otherwise. `cookies` True prefers cookies to tokens in the body, False the reverse, None
    takes the first of BACKEND_AUTH_AUTHENTICATORS and JWT_TOKEN_LOCATION; clients may choose by `delivery`.
    `require_verified` refuses logins and refreshes of users whose address is not verified. With `email_logins` only
    e-mail addresses register. `details` is a schema for what else is asked when somebody registers, handed to the user
    store. `claims(user)` gives what else the access tokens of a login carry, kept over refreshes; cookie sessions carry
    none. `options` are those of `Blueprint` (`format`, `description`). Raises `SetupError` for an unknown feature;
    registering it does for `api_keys` where BACKEND_AUTH_AUTHENTICATORS has no `api_key`.
    """
    from ... import Blueprint, Format

    wanted = frozenset(features)
    unknown = sorted(wanted - set(FEATURES))
    if unknown:
        raise SetupError(
            f"login_blueprint(features=...): {', '.join(unknown)} is none of {', '.join(FEATURES)}."
        )
    chosen = LoginOptions(
        cookies=cookies,
        require_verified=require_verified,
        email_logins=email_logins,
        details=details,
        claims=claims,
    )
    options.setdefault("description", "Logging in and out, sessions, passwords and API keys")
    blp = Blueprint(name, __name__, url_prefix=url_prefix, **options)
    blp.after_request(keep_private)
    routes = {
        "login": lambda: add_login(blp, chosen),
        "refresh": lambda: add_refresh(blp, chosen),
        "logout": lambda: add_logout(blp),
        "sessions": lambda: add_sessions(blp),
        "register": lambda: add_registration(blp, chosen),
        "verify": lambda: add_verification(blp),
        "reset": lambda: add_reset(blp),
        "password": lambda: add_password_change(blp),
        "api_keys": lambda: add_api_keys(blp),
        "jwks": lambda: add_key_set(blp, Format(envelope=False)),
    }
    if "api_keys" in wanted:
        blp.record(require_key_authenticator)
    for feature in FEATURES:
        if feature in wanted:
            routes[feature]()
    return blp


def require_key_authenticator(registered: BlueprintSetupState) -> None:
    """Raise `SetupError` where the keys that this app makes would be refused by it."""
    if "api_key" not in AuthSettings.from_config(registered.app.config, []).authenticators:
        raise SetupError(
            "login_blueprint has the feature api_keys, but this app reads no API keys: add 'api_key' to "
            "BACKEND_AUTH_AUTHENTICATORS, or leave the feature out."
        )


def keep_private(response: Response) -> Response:
    """Nothing on the way stores what these routes answer (RFC 6749, 5.1), unless a view has said otherwise."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response
