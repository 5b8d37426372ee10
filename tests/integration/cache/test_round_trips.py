"""How often Redis is asked, counted by MONITOR."""

import time

import jwt
import pytest
from flask import Flask

from flask_backend_patterns import (
    BackendPatterns,
    cached,
    cached_view,
    get_many_or_load,
    rate_limit,
    require_permission,
)
from tests.redis_commands import commands_of

SECRET = "a secret of the tests, long enough for HS256"


def bearer():
    """An access token as ours are."""
    now = int(time.time())
    claims = {"sub": "7", "roles": ["customer"], "jti": "7", "iat": now, "exp": now + 900, "type": "access"}
    return "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.fixture
def cache_app(redis_url, wait_until):
    """One whose near caches are in use."""
    made = Flask("trips")
    made.config.update(
        BACKEND_REDIS_URL=redis_url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        BACKEND_AUTH_ROLES={"customer": ["items:read"]},
        BACKEND_OBSERVABILITY_ACCESS_LOG=False,
        JWT_SECRET_KEY=SECRET,
    )
    BackendPatterns(made)
    feed = made.extensions["backend_patterns"].cache.feed
    wait_until(lambda: feed.is_trusted)
    yield made
    feed.close()
    made.extensions["backend_patterns"].redis.close()


@cached(key="item:{number}", tags=["item:{number}", "items"])
def find_item(number: int) -> dict:
    return {"number": number}


def by_function(number):
    return find_item(number)


by_view = cached_view(60, tags=["item:{number}"], vary_on=["actor"])(by_function)


@pytest.mark.parametrize("view", [by_function, by_view], ids=["@cached", "@cached_view"])
@pytest.mark.parametrize("is_limited", [True, False], ids=["limited", "not limited"])
def test_a_request_in_steady_state_is_one_trip_for_its_limits_and_none_without(
    cache_app, redis_url, view, is_limited
):
    """JWT, permission, two limits with three rates, and a cached value: one EVALSHA, over 50 requests."""
    guarded = require_permission("items:read")(view)
    if is_limited:
        guarded = rate_limit("5000/minute; 90000/hour", key="address")(rate_limit("5000/minute")(guarded))
    cache_app.add_url_rule("/items/<int:number>", "item", guarded)
    client, headers = cache_app.test_client(), {"Authorization": bearer()}

    def ask(count):
        for _ in range(count):
            answer = client.get("/items/7", headers=headers)
            assert answer.json == {"number": 7}, answer.text

    ask(3)
    assert commands_of(redis_url, lambda: ask(50)) == ["EVALSHA"] * (50 if is_limited else 0)


def test_many_cold_values_are_three_trips(cache_app, redis_url):
    """One to read, one for all leases, one to store; one when they are there, and one more to give back a lease."""
    names = [f"n:{number}" for number in range(20)]

    def get(wanted, found):
        assert get_many_or_load(
            wanted, lambda missing: dict.fromkeys(missing, found), near=False
        ) == found_all(wanted, found)

    def found_all(wanted, found):
        return dict.fromkeys(wanted, found)

    with cache_app.app_context():
        get(["other"], 1)  # so the scripts are known
        assert commands_of(redis_url, lambda: get(names, 1)) == ["MGET", "EVALSHA", "EVALSHA"]
        assert commands_of(redis_url, lambda: get(names, 1)) == ["MGET"]
        left_out = commands_of(
            redis_url, lambda: get_many_or_load(["x", "y"], lambda _: {}, near=False) == {}
        )
        assert left_out[:2] == ["MGET", "EVALSHA"]
        assert len([name for name in left_out if name != "EVAL"]) == 3


def test_the_feed_shares_the_client_of_the_app(cache_app):
    """One client, with one pool of connections, for all features."""
    state = cache_app.extensions["backend_patterns"]
    assert state.cache.feed._redis() is state.redis.client
