"""Builds authentication and authorization for an app, and installs what has to see every request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from .._config import ConfigError, SetupError
from .._contribution import ACTOR_ID_KEY, ACTOR_MATTERS_KEY, Contribution
from ..errors import AppError
from . import default_deny
from .api_keys import ApiKeyAuthenticator, ApiKeys
from .enforcement import enforcers
from .identity import Identification
from .notifications import Notifications
from .oauth import provider_problems
from .one_time_tokens import OneTimeTokens
from .passwords import Passwords
from .policies import Policies
from .roles import Roles
from .sessions import Lifetimes, MissingSessionStore, Revocations, SessionAuthenticator, SessionKeys
from .sessions.backends.redis import RedisRevocationReader, RedisSessionStore
from .settings import DENY, MAX_SECONDS
from .state import AuthState, auth_state
from .tokens import JWTAuthenticator, KeySet, TokenPlaces, TokenRules, Tokens, TokenSigner, TokenVerifier
from .tokens.bond import BondParts, ExtendedBond
from .tokens.places import COOKIES, HEADERS
from .users import Users

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from flask import Flask

    from .._boundary import Exchange
    from .._contribution import EventLog, Present
    from .._shared_redis import SharedRedis
    from .._wrapped import WrappedExtensions
    from .failures import Failures
    from .identity import Actor
    from .policies import Policy
    from .protocols import Authenticator, Notifier, UserStore
    from .sessions import SessionStore
    from .settings import AuthSettings

__all__ = [
    "Given",
    "Surroundings",
    "authenticated_actor",
    "authenticated_id",
    "build",
    "enforcers",
    "install",
    "security_schemes",
]

NEAR_CACHE_ENTRIES = 20_000
FOREIGN_TOKEN_LIFE = timedelta(days=30)  # of a refresh token


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was handed to `BackendPatterns(...)`."""

    users: UserStore | Callable[[], UserStore] | None = None
    notifier: Notifier | None = None
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the rest of the kit lends to authentication; `redis` is None where the app has none.

    `namespace` is part of every key. `make_near_cache` takes `max_entries` and `ttl_seconds`; the caches are told on `channel` which keys have changed, and
    `publish` tells them. `failures` counts failed logins together with the other processes.
    """

    wrapped: WrappedExtensions
    redis: SharedRedis | None
    namespace: str
    make_near_cache: Callable[..., Any]
    publish: Callable[..., None]
    channel: str
    failures: Failures
    log: EventLog


def authenticated_id() -> str | None:
    """The id of who sends the request being served; None for anonymous callers, and where that cannot be told."""
    actor = _authenticated(auth_state().identification.actor)
    return None if actor is None else actor.id


def authenticated_actor() -> Actor | None:
    """The same for who counts requests: what is answered does not depend on it (see `Identification.caller`)."""
    return _authenticated(auth_state().identification.caller)


def _authenticated(find: Callable[[], Actor]) -> Actor | None:
    try:
        actor = find()
    except (AppError, SetupError):  # what the view itself may take for none, or never looks at
        return None
    return actor if actor.is_authenticated else None


def security_schemes(state: AuthState) -> dict[str, Mapping[str, Any]]:
    """The ways to authenticate, in the words of OpenAPI."""
    found: dict[str, Mapping[str, Any]] = {}
    for authenticator in state.identification.authenticators:
        found.update(authenticator.security_schemes)
    return found


def build(app: Flask, settings: AuthSettings, *, given: Given, around: Surroundings) -> AuthState:
    """The state of `app`; connects to nothing. Raises `ConfigError` for keys, roles, rates and providers that cannot be."""
    if problems := provider_problems(settings.oauth_providers):
        raise ConfigError(problems)
    parts = Parts(app, settings, given, around)
    return AuthState(
        settings=settings,
        identification=Identification(parts.authenticators()),
        roles=parts.roles,
        policies=Policies(given.policies, around.log),
        keys=parts.keys,
        verifier=parts.verifier,
        sessions=parts.sessions,
        tokens=parts.tokens(),
        users=parts.users,
        passwords=Passwords(
            settings,
            log=around.log,
            find_weaknesses=settings.password_check,
            concurrency=settings.password_concurrency,
        ),
        api_keys=parts.api_keys,
        one_time_tokens=OneTimeTokens(log=around.log),
        failures=around.failures,
        notifications=Notifications(
            settings.notifier if given.notifier is None else given.notifier, log=around.log
        ),
        bond=parts.bond,
    )


class Parts:
    """The parts of one app's authentication, each made when another one asks for it."""

    def __init__(self, app: Flask, settings: AuthSettings, given: Given, around: Surroundings) -> None:
        self._app = app
        self._settings = settings
        self._around = around
        self._redis = around.redis
        self.users = Users(settings.users if given.users is None else given.users)
        self.roles = Roles(settings.roles, cache_seconds=settings.roles_cache_seconds, log=around.log)
        self.rules = TokenRules.from_config(app.config, settings)
        self.keys = KeySet.from_config(app.config, settings, is_lenient=app.debug or app.testing)
        self.verifier = TokenVerifier(
            keys=self.keys, rules=self.rules, cache_entries=settings.token_cache_entries
        )
        self.places = TokenPlaces.from_config(app.config, settings)
        self.session_keys = SessionKeys(around.namespace)
        self.bond = ExtendedBond(
            BondParts(
                settings=settings,
                keys=self.keys,
                verifier=self.verifier,
                revocations=self.revocations,
                manager=around.wrapped.jwt,
            )
        )
        self.api_keys = ApiKeys(
            prefix=settings.api_key_prefix,
            log=around.log,
            publish=around.publish if self._redis is not None else None,
        )

    @cached_property
    def revocations(self) -> Revocations | None:
        """None without Redis: nothing can be revoked then."""
        if self._redis is None:
            return None
        return Revocations(
            reader=RedisRevocationReader(self._redis.client, outage=self._redis.outage),
            cache=self._near_cache(self._settings.access_seconds),
            keys=self.session_keys,
            access_outage=self._settings.access_outage,
        )

    @cached_property
    def sessions(self) -> SessionStore:
        """The sessions in Redis."""
        if self.revocations is None or self._redis is None:
            return cast("SessionStore", MissingSessionStore())
        return RedisSessionStore(
            self._redis.client,
            outage=self._redis.outage,
            keys=self.session_keys,
            lifetimes=Lifetimes.from_settings(
                self._settings,
                leeway_seconds=self.rules.leeway_seconds,
                foreign_token_seconds=_longest_foreign_token(self._app.config),
            ),
            revocations=self.revocations,
            log=self._around.log,
            channel=self._around.channel,
        )

    def tokens(self) -> Tokens:
        """Issues, refreshes and revokes."""
        return Tokens(
            settings=self._settings,
            signer=TokenSigner(keys=self.keys, rules=self.rules),
            verifier=self.verifier,
            sessions=self.sessions,
            revocations=self.revocations,
            log=self._around.log,
            scheme=self.places.scheme,
            with_csrf=COOKIES in self.places.order,
        )

    def authenticators(self) -> list[Authenticator]:
        """Those that the settings name, in their order, but what browsers send by themselves is asked for last.

        Who sends a header has chosen to; a cookie that happens to be there must not hide it, nor demand a CSRF value.
        """
        by_header: dict[str, Callable[[], Authenticator]] = {
            "jwt": partial(self._by_token, HEADERS),
            "api_key": self._by_api_key,
        }
        by_cookie: dict[str, Callable[[], Authenticator]] = {
            "jwt": partial(self._by_token, COOKIES),
            "session": self._by_session,
        }
        names = self._settings.authenticators
        if unknown := [name for name in names if name not in by_header | by_cookie]:
            expected = ", ".join(by_header | by_cookie)
            raise ConfigError(
                [f"BACKEND_AUTH_AUTHENTICATORS has {', '.join(unknown)}; expected some of {expected}"]
            )
        if "session" in names and self._redis is None:
            raise ConfigError(["BACKEND_AUTH_AUTHENTICATORS has session, but BACKEND_REDIS_URL is not set"])
        if COOKIES not in self.places.order:
            del by_cookie["jwt"]
        elif HEADERS not in self.places.order:
            del by_header["jwt"]
        return [makers[name]() for makers in (by_header, by_cookie) for name in names if name in makers]

    def _by_token(self, place: str) -> Authenticator:
        return JWTAuthenticator(
            verifier=self.verifier,
            permissions_of=self.roles.permissions_of,
            revocations=self.revocations,
            places=replace(self.places, order=tuple(item for item in self.places.order if item == place)),
            expand_roles=self.roles.expanded,
            roles_in_force=self.roles.in_force,
            admission=self.bond,
        )

    def _by_api_key(self) -> Authenticator:
        return ApiKeyAuthenticator(
            self.api_keys,
            users=self.users,
            roles=self.roles,
            header=self._settings.api_key_header,
            cache=self._near_cache(self._settings.api_key_cache_seconds) if self._redis is not None else None,
        )

    def _by_session(self) -> Authenticator:
        return SessionAuthenticator(
            sessions=self.sessions,
            keys=self.session_keys,
            cache=self._near_cache(self._settings.session_idle_seconds),
            cookie_name=self._settings.session_cookie,
            permissions_of=self.roles.permissions_of,
            expand_roles=self.roles.expanded,
            roles_of=self.users.roles_of if self.users.is_given else None,
            access_outage=self._settings.access_outage,
        )

    def _near_cache(self, ttl_seconds: float) -> Any:
        return self._around.make_near_cache(max_entries=NEAR_CACHE_ENTRIES, ttl_seconds=ttl_seconds)


def _longest_foreign_token(config: Mapping[str, Any]) -> float:
    """Seconds that a token made by Flask-JWT-Extended may live; its default where nothing is set yet."""
    lives = [
        config.get(key, FOREIGN_TOKEN_LIFE)
        for key in ("JWT_ACCESS_TOKEN_EXPIRES", "JWT_REFRESH_TOKEN_EXPIRES")
    ]
    seconds = [
        life.total_seconds() if isinstance(life, timedelta) else float(life or MAX_SECONDS) for life in lives
    ]
    return max(seconds)


def contribution() -> Contribution:
    """What is sent to a caller who was asked for is for that caller: no cache on the way may keep it unasked."""

    def headers(exchange: Exchange, sent: list[tuple[str, str]], present: Present) -> None:
        environ = exchange.environ
        if ACTOR_MATTERS_KEY in environ and ACTOR_ID_KEY in environ and "cache-control" not in present:
            sent.append(("Cache-Control", "private, no-cache"))

    return Contribution(headers=headers)


def install(app: Flask, state: AuthState, *, log: EventLog, undo: ExitStack) -> None:
    """Have the app refuse undeclared routes, where it says so, and Flask-JWT-Extended use our keys and revocations."""
    undo.callback(state.bond.install(app))
    if state.settings.default == DENY:
        default_deny.install(app, log=log, public_endpoints=state.settings.public_endpoints)
