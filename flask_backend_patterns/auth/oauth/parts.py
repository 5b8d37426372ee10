"""What logging in by providers keeps for an app, made when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import current_app

from ..._config import SetupError
from ...errors import NotFoundError
from .attempt import AttemptCookies
from .provider import KEY, read_providers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from .authorization import ProviderLogin

EXTENSION_KEY: Final = "backend_patterns_oauth"


@dataclass(frozen=True, kw_only=True)
class OAuthParts:
    """The providers by name, and the cookies of open logins."""

    logins: Mapping[str, ProviderLogin]
    cookies: AttemptCookies

    def login(self, provider: str) -> ProviderLogin:
        """The one called `provider`; raises `NotFoundError`."""
        found = self.logins.get(provider)
        if found is None:
            raise NotFoundError("There is no login provider of this name.")
        return found


def oauth_parts(configured: Any) -> OAuthParts:
    """Those of the current app, by BACKEND_AUTH_OAUTH_PROVIDERS; nothing is fetched.

    Raises `ConfigError` for wrong settings, `SetupError` without providers, SECRET_KEY or the packages of the extra.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the app itself
    made = app.extensions.get(EXTENSION_KEY)
    if made is None:
        # Two threads may both make them; all use what is there first.
        made = app.extensions.setdefault(EXTENSION_KEY, _build(app, configured))
    parts: OAuthParts = made
    return parts


def _build(app: Flask, configured: Any) -> OAuthParts:
    providers = read_providers(configured)
    if not providers:
        raise SetupError(
            f"oauth_blueprint() is registered, but there are no providers; set {KEY} = "
            '{"name": {"issuer": "https://...", "client_id": "...", "client_secret": "..."}}.'
        )
    try:
        from .authorization import ProviderLogin
        from .provider_client import ProviderClient
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("authlib", "joserfc", "httpx"):
            raise
        raise SetupError(
            f"Logins by a provider need {error.name}; run: pip install 'flask-backend-patterns[oauth]'"
        ) from error
    client = ProviderClient()
    secrets = [key for key in (app.secret_key, *(app.config.get("SECRET_KEY_FALLBACKS") or ())) if key]
    return OAuthParts(
        logins={name: ProviderLogin(provider, client) for name, provider in providers.items()},
        cookies=AttemptCookies(secrets),
    )
