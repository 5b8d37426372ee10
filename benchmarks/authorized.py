"""CPU time of an authenticated and authorized request beside the same request without, and its trips to Redis.

In process, with a real Redis, a warm token cache and a live subscription. Beside it: the same by `@jwt_required()`,
Flask-JWT-Extended wired by hand with a blocklist in Redis.
"""

from __future__ import annotations

from contextlib import closing
from statistics import median
from time import monotonic, sleep
from typing import TYPE_CHECKING

from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, create_access_token, jwt_required
from redis import Redis
from werkzeug.test import create_environ

from flask_backend_patterns import BackendPatterns, issue_tokens, require_permission
from flask_backend_patterns.testing.redis_server import RedisServer

from .apps import BARE, bare
from .in_process import cpu_seconds, log_to_a_file
from .speed import slowness, told

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS, WARM_UP, ROUNDS = 10_000, 500, 5
SECRET = "benchmark-secret-of-more-than-32-bytes"
PLAIN, PERMITTED, BY_HAND = "without", "@require_permission", "@jwt_required by hand"
MAX_ADDED_US = 25.0
WARM_SECONDS = 10.0
LAST_LINES_SECONDS = 0.2  # the access log is written behind


def kit(redis_url: str) -> Flask:
    """One route behind a permission, one without."""
    app = Flask("authorized")
    app.config.update(
        JWT_SECRET_KEY=SECRET, BACKEND_REDIS_URL=redis_url, BACKEND_AUTH_ROLES={"customer": ["ping:read"]}
    )
    BackendPatterns().init_app(app)
    app.add_url_rule("/ping", "ping", lambda: jsonify(ok=True))
    app.add_url_rule("/permitted", "permitted", require_permission("ping:read")(lambda: jsonify(ok=True)))
    return app


def by_hand(redis_url: str) -> Flask:
    """Flask-JWT-Extended with a blocklist, as its documentation shows it, on an app with our always-on parts."""
    app = Flask("by_hand")
    app.config.update(JWT_SECRET_KEY=SECRET)
    jwt, blocked = JWTManager(app), Redis.from_url(redis_url)
    BackendPatterns().init_app(app)
    jwt.token_in_blocklist_loader(lambda _header, claims: blocked.get(claims["jti"]) is not None)
    app.add_url_rule("/permitted", "permitted", jwt_required()(lambda: jsonify(ok=True)))
    return app


def measure() -> tuple[dict[str, list[float]], int]:
    """Microseconds of CPU a request, a figure a round; and the Redis commands of one round of permitted requests."""
    figures: dict[str, list[float]] = {BARE: [], PLAIN: [], PERMITTED: [], BY_HAND: []}
    with closing(RedisServer().start()) as server, Redis.from_url(server.url) as redis, log_to_a_file():
        ours, theirs = kit(server.url), by_hand(server.url)
        with ours.app_context():
            token = issue_tokens("7", roles=["customer"]).access_token
        with theirs.app_context():
            other = create_access_token("7")
        requests = {
            BARE: (bare(), environ("/ping")),
            PLAIN: (ours, environ("/ping")),
            PERMITTED: (ours, environ("/permitted", token)),
            BY_HAND: (theirs, environ("/permitted", other)),
        }
        for app, base in requests.values():
            cpu_seconds(app, base, WARM_UP)
        _wait_until_warm(ours, requests[PERMITTED][1], redis)
        commands = 0
        for _ in range(ROUNDS):
            for name, (app, base) in requests.items():
                before = commands_of(redis)
                figures[name].append(cpu_seconds(app, base, REQUESTS) / REQUESTS * 1e6)
                if name == PERMITTED:
                    commands = max(commands, commands_of(redis) - before)
        sleep(LAST_LINES_SECONDS)
    return figures, commands


def environ(path: str, token: str | None = None) -> dict[str, object]:
    """A request; `token` goes into its `Authorization`."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return dict(create_environ(path, headers=headers))


def commands_of(redis: Redis) -> int:
    """How many commands Redis has served that read or write data; the subscription's own signs of life do not count."""
    stats = redis.info("commandstats")
    passed_over = {"ping", "info", "subscribe", "publish", "hello", "client|setinfo", "auth"}
    return sum(
        entry["calls"] for name, entry in stats.items() if name.removeprefix("cmdstat_") not in passed_over
    )


def _wait_until_warm(app: Flask, base: Mapping[str, object], redis: Redis) -> None:
    """Until a request costs no round trip: the subscription has been confirmed."""
    deadline = monotonic() + WARM_SECONDS
    while monotonic() < deadline:
        before = commands_of(redis)
        cpu_seconds(app, base, 10)
        if commands_of(redis) == before:
            return
        sleep(0.05)


def table(measured: tuple[dict[str, list[float]], int]) -> bool:
    """Print a table; whether the budget is kept: so many microseconds more than without, and no command."""
    figures, commands = measured
    print(f"\nAuthenticated and authorized, warm: CPU us a request, median of {ROUNDS} interleaved rounds")
    added = {}
    for name, values in figures.items():
        added[name] = median(value - base for value, base in zip(values, figures[PLAIN], strict=True))
        print(
            f"  {name:<22}{median(values):6.1f} ({min(values):.1f} to {max(values):.1f})   {added[name]:+6.1f} us"
        )
    print(f"  Redis commands in {REQUESTS:,} permitted requests: {commands}")
    factor = slowness(figures[BARE])
    most = MAX_ADDED_US * factor
    kept = added[PERMITTED] <= most and commands == 0
    print(told(factor))
    print(f"Budget: at most +{most:.0f} us, no command: {'kept' if kept else 'MISSED'}")
    return kept
