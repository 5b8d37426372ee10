"""`BackendPatterns`: reads the settings, builds every feature, installs them in one order, publishes the result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask

from . import _url_adapters
from ._api_routes import ApiRoutes, takes_path
from ._boundary import RequestBoundary
from ._bypassed import look_once
from ._config import ConfigError, SetupError
from ._contribution import Contribution, HealthCheck
from ._enforcers import checked_enforcers
from ._foundation import Foundation
from ._redis import check_redis, connect
from ._rollback import restored_on_failure
from ._shared_redis import SharedRedis
from ._state import EXTENSION_KEY, State
from ._wrapped import WrappedExtensions
from .api import deprecation
from .api import docs as api_docs
from .api import wiring as api
from .api.document import export_document
from .api.idempotency import Idempotent
from .api.idempotency import wiring as idempotency
from .audit import RouteAudit
from .auth import wiring as auth
from .cache import wiring as cache
from .cli import wiring as cli
from .data import session_teardown
from .data.health import check_engines
from .errors import wiring as errors
from .errors.handlers import ErrorStyle
from .health import wiring as health
from .jobs.health import check_queues
from .limits import wiring as limits
from .limits.failures import Failures, Waits
from .limits.failures.wiring import build_failures
from .observability import wiring as observability
from .observability.events import LoggingEventLog
from .observability.masking import Masker
from .security import wiring as security
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from flask import Request

    from ._contribution import Answer
    from .api.wiring import ApiState
    from .auth.policies import Policy
    from .auth.protocols import Notifier, UserStore
    from .auth.state import AuthState
    from .cache.wiring import CacheState
    from .declarations import Declaration
    from .guard import Enforcer
    from .observability.wiring import ObservabilityState


class BackendPatterns:
    """Adds the kit to Flask apps; one instance serves many, each by its own config.

    `db`, `api`, `jwt`, `limiter` and `cache` say which extension object to use where an app has several; otherwise
    the app's own is found, whether it is set up before or after. None of them is initialized here.
    `users` is the store of your users, or a function that makes it; `notifier` delivers their reset and verification
    tokens; `policies` are those that `@policy` made.
    `health_checks` are functions by name that raise when a dependency is unfit. `enforcers` add kinds of declarations.
    """

    def __init__(  # noqa: PLR0913 - one for each wrapped extension, keyword only
        self,
        app: Flask | None = None,
        *,
        db: Any = None,
        api: Any = None,
        jwt: Any = None,
        limiter: Any = None,
        cache: Any = None,
        users: UserStore | Callable[[], UserStore] | None = None,
        notifier: Notifier | None = None,
        policies: Iterable[Policy] = (),
        health_checks: Mapping[str, Callable[[], dict[str, Any] | None]] | None = None,
        enforcers: Mapping[type[Declaration], Enforcer] | None = None,
    ) -> None:
        self._wrapped = WrappedExtensions(db=db, api=api, jwt=jwt, limiter=limiter, cache=cache)
        self._health_checks = tuple(
            HealthCheck(name=name, run=run) for name, run in (health_checks or {}).items()
        )
        self._given = auth.Given(users=users, notifier=notifier, policies=tuple(policies))
        self._enforcers = checked_enforcers(enforcers or {})
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add everything to `app`, or raise and leave it as it was.

        Raises `ConfigError`, which lists every wrong setting, and `SetupError` when it has run on this app before,
        when the app has served requests already, or when a path of ours is taken.
        """
        if not isinstance(app, Flask):
            raise SetupError(f"init_app takes the Flask app, not {app!r}.")
        if EXTENSION_KEY in app.extensions:
            raise SetupError("BackendPatterns is already on this app; call init_app once for each app.")
        settings = Settings.from_config(app.config)
        problems = self._wrapped.check(app)
        if problems:
            raise ConfigError(problems)
        if app._got_first_request:  # noqa: SLF001 - Flask's own check, which comes too late to say what to do
            raise SetupError(
                "This app has served a request already; call init_app before, where the app is made."
            )

        routes = ApiRoutes(app, settings.api.prefixes)
        state = self._build(app, settings, routes)
        contributions = _contributions(app, state, routes)
        require_free_paths(app, contributions)
        with restored_on_failure(app) as undo:
            app.extensions[EXTENSION_KEY] = state
            install(app, state, undo)
            wrap_wsgi_app(app, contributions, settings)
            if state.observability:
                observability.install(app, state.observability, undo)
            if state.health:
                health.install(state.health, undo)
            cli.install(app, state.log, export_document=export_document, route_audit=RouteAudit())

    def _build(self, app: Flask, settings: Settings, routes: ApiRoutes) -> State:
        observed = observability.build(settings.observability) if settings.observability.enabled else None
        base = self._foundation(app, settings, observed)
        log = base.log
        caches = cache.build(app, settings.cache, base)
        failures = failed_logins(app, settings, base)
        auth_state = self._build_auth(app, settings, caches, base, failures)
        limits_state = None
        if settings.limits.enabled:
            identify = auth.authenticated_actor if auth_state else lambda: None
            limits_state = limits.build(
                app, settings.limits, base, identify=identify, feed=caches.feed, failures=failures
            )
        api_state = api.build(
            app,
            settings.api,
            identify=auth.authenticated_id,
            security_schemes=auth.security_schemes(auth_state) if auth_state else {},
        )
        return State(
            settings=settings,
            wrapped=self._wrapped,
            enforcers={
                **self._own_enforcers(settings, api_state, base),
                **(auth.enforcers(auth_state) if auth_state else {}),
                **(limits.enforcers(limits_state) if limits_state else {}),
                **(cache.enforcers(caches) if settings.cache.enabled else {}),
                **self._enforcers,
            },
            log=log,
            redis=base.redis,
            api=api_state,
            cache=caches,
            auth=auth_state,
            limits=limits_state,
            errors=(
                errors.build(app, settings.errors, routes, log, partial(error_style, api_state))
                if settings.errors.enabled
                else None
            ),
            observability=observed,
            health=(
                health.build(app, settings.health, lambda: self._find_health_checks(app, settings), log)
                if settings.health.enabled
                else None
            ),
        )

    def _foundation(self, app: Flask, settings: Settings, observed: ObservabilityState | None) -> Foundation:
        log = observed.log if observed else LoggingEventLog(Masker())
        namespace = settings.redis.namespace or app.name
        metrics = observed.metrics if observed else None
        redis = None
        if settings.redis.url is not None:
            redis = SharedRedis(settings.redis, namespace=namespace, log=log, metrics=metrics)
        return Foundation(
            wrapped=self._wrapped,
            log=log,
            metrics=metrics,
            namespace=namespace,
            redis=redis,
            redis_settings=settings.redis,
        )

    def _build_auth(
        self, app: Flask, settings: Settings, caches: CacheState, base: Foundation, failures: Failures
    ) -> AuthState | None:
        if not settings.auth.enabled:
            return None
        around = auth.Surroundings(
            wrapped=base.wrapped,
            redis=base.redis,
            namespace=base.namespace,
            make_near_cache=caches.make_near_cache,
            publish=caches.feed.publish,
            channel=caches.channel,
            failures=failures,
            log=base.log,
        )
        return auth.build(app, settings.auth, given=self._given, around=around)

    def _own_enforcers(
        self, settings: Settings, api_state: ApiState, base: Foundation
    ) -> dict[type[Declaration], Enforcer]:
        enforcers = api.enforcers(settings.api) if settings.api.enabled else {}
        if settings.idempotency.enabled:
            enforcers[Idempotent] = idempotency.build(
                settings.idempotency,
                wrapped=self._wrapped,
                redis=base.redis,
                log=base.log,
                caller=api_state.caller,
            )
        return enforcers

    def _find_health_checks(self, app: Flask, settings: Settings) -> Sequence[HealthCheck]:
        """Asked when health is first asked for, so that extensions set up after us count too."""
        checks = []
        db = self._wrapped.find(app, "db")
        if db is not None:
            checks.append(HealthCheck(name="database", run=partial(check_engines, db)))
        if settings.redis.url is not None:
            client = connect(settings.redis)
            checks.append(HealthCheck(name="redis", run=partial(check_redis, client)))
            if settings.jobs.enabled and settings.jobs.queues:
                run = partial(check_queues, client, settings.jobs.queues)
                checks.append(HealthCheck(name="queue", run=run, critical=False))
        return (*checks, *self._health_checks)


def failed_logins(app: Flask, settings: Settings, base: Foundation) -> Failures:
    """What counts failed logins: for authentication, and for `@login_limit` on an app's own views."""
    chosen = settings.auth
    waits = Waits(
        free=chosen.failures_free,
        first_seconds=chosen.failures_wait_seconds,
        longest_seconds=chosen.failures_longest_wait_seconds,
    )
    return build_failures(
        app,
        base,
        per_address=chosen.failures_per_address,
        per_account=chosen.failures_per_account,
        waits=waits if waits.first_seconds and waits.longest_seconds else None,
    )


def install(app: Flask, state: State, undo: ExitStack) -> None:
    """Put in place what acts inside the app; the order is that in which requests meet it."""
    _url_adapters.install(app)
    session_teardown.install(app, state.log)
    cache.install(app, state.redis, undo)
    if state.errors:
        errors.install(app, state.errors)
    if state.auth:
        auth.install(app, state.auth, log=state.log, undo=undo)
    if state.limits:
        limits.install(app, state.limits, undo)
    if state.settings.security.enabled:
        security.install(app, state.settings.security)


def error_style(state: ApiState, request: Request) -> ErrorStyle:
    """How the route of `request` wants its errors."""
    wanted = state.views.of(request).format
    return ErrorStyle(renderer=wanted.error, resource=wanted.resource)


def _contributions(app: Flask, state: State, routes: ApiRoutes) -> list[Contribution]:
    metrics = state.observability.metrics if state.observability else None
    # Not the default caller: what identifies a client is no label for everybody to read.
    caller = state.settings.api.caller
    # Nothing can be declared in vain where nothing is enforced.
    contributions = [Contribution(begin=look_once(app, state.log))] if state.enforcers else []
    if state.settings.api.enabled:
        contributions += [
            deprecation.contribution(app, log=state.log, metrics=metrics, caller=caller),
            Contribution(
                answers=_docs_answers(app, state),
                remedy="move ours with BACKEND_API_DOCS_PATH and BACKEND_API_OPENAPI_PATH",
            ),
        ]
    if state.observability:
        contributions.append(observability.contribution(app, state.observability))
    if state.cache.aside or state.redis:
        # says first what caches may do
        contributions.append(cache.contribution(app, state.cache, state.redis))
    if state.auth:
        contributions.append(auth.contribution())
    if state.limits:
        contributions += limits.contributions(state.limits)
    if state.settings.security.enabled:
        contributions.append(security.contribution(state.settings.security, routes))
    if state.health:
        contributions.append(health.contribution(app, state.health, state.log))
    return contributions


def _docs_answers(app: Flask, state: State) -> dict[str, Answer]:
    settings = state.settings.api
    find_api = partial(state.wrapped.find, app, "api")
    return api_docs.build_answers(app, find_api, settings.docs_path, settings.openapi_path)


def wrap_wsgi_app(app: Flask, contributions: Sequence[Contribution], settings: Settings) -> None:
    """Put the request boundary round the app, and trusted proxies round that, where there is anything to do."""
    wsgi_app: Any = app.wsgi_app
    boundary = RequestBoundary(wsgi_app, contributions)
    if boundary.is_needed:
        wsgi_app = boundary
    if settings.security.enabled:
        wsgi_app = security.behind_proxies(wsgi_app, settings.security)
    if wsgi_app != app.wsgi_app:
        app.wsgi_app = wsgi_app  # type: ignore[method-assign]  # Flask's documented way to add middleware


def require_free_paths(app: Flask, contributions: Sequence[Contribution]) -> None:
    """Raise `SetupError` when the app, or two of our features, have the same path; a catch-all route does not count."""
    ours: set[str] = set()
    for part in contributions:
        for path in part.answers:
            for rule in app.url_map.iter_rules():
                if takes_path(rule, path):
                    raise SetupError(
                        f"The path {path} is taken by the app ({rule.rule}, {rule.endpoint}); {part.remedy}."
                    )
            if path in ours:
                raise SetupError(f"The path {path} is taken by another part of ours; {part.remedy}.")
            ours.add(path)
