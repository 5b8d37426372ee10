"""While Redis is away, or does not count, each process decides alone; and not for a moment longer."""

import pytest
from redis import Redis

from flask_backend_patterns.limits import rate_limit


@pytest.fixture
def full_redis(redis_url):
    """Makes Redis refuse to write, and back."""
    with Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]

        def fill(*, is_full):
            client.config_set("maxmemory-policy", "noeviction" if is_full else before)
            client.config_set("maxmemory", "1" if is_full else "0")

        yield fill
        fill(is_full=False)


def test_what_a_process_refused_alone_is_forgotten_with_the_outage(make_shop, redis_url, full_redis):
    """A limit by day does not go on refusing for a day what Redis has never counted."""
    shop = make_shop(BACKEND_REDIS_URL=redis_url)
    shop.route(rate_limit("3/day", key="address")(lambda: "seen"))
    full_redis(is_full=True)
    assert shop.statuses(5) == [200, 200, 200, 429, 429]
    full_redis(is_full=False)
    assert shop.statuses(4) == [200, 200, 200, 429]


def test_every_limit_of_a_route_holds_and_is_told_while_redis_is_away(make_shop):
    """The second one too; the metric says of each that it was counted in this process."""
    shop = make_shop(BACKEND_REDIS_URL="redis://127.0.0.1:1/0", BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")
    both = rate_limit("5/day", key="address", name="wide")(
        rate_limit("2/day", key="address", name="tight")(lambda: "seen")
    )
    shop.route(both)
    assert shop.statuses(3) == [200, 200, 429]
    told = shop.ask("/metrics").text
    for policy in ("wide", "tight"):
        assert f'backend_rate_limit_decisions_total{{decision="fallback",policy="{policy}"}} 2.0' in told
    assert 'decision="refused",policy="tight"} 1.0' in told
    assert 'decision="refused",policy="wide"} 1.0' not in told
    assert 'decision="allowed",policy="tight"} 1.0' not in told
