"""What is counted, for whom, when, and in how many trips to Redis."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import request

from flask_backend_patterns import Blueprint, RateLimitError, public, require_auth, require_permission
from flask_backend_patterns.limits import rate_limit
from tests.redis_commands import commands_of

from .conftest import Shop


def view():
    return "seen"


# --- whom a limit counts ---


def test_an_actor_is_counted_wherever_it_comes_from(counted_shop):
    """Two addresses of one actor share its limit, two actors at one address do not; nobody is counted by address."""
    counted_shop.route(rate_limit("2/minute")(require_auth(view)))
    assert [counted_shop.status(actor="7", address=f"10.0.0.{last}") for last in (1, 2, 3)] == [200, 200, 429]
    assert counted_shop.statuses(2, actor="8") == [200, 200]


def test_an_anonymous_caller_is_counted_by_address(shop):
    """Also one whose token does not count; and an actor whose id looks like that address is somebody else."""
    shop.route(rate_limit("2/minute")(public(reason="prices")(view)))
    assert [shop.status(), shop.status(actor="forged"), shop.status()] == [200, 200, 429]
    assert shop.status(actor="10.0.0.1") == 200
    assert shop.status(actor="a:10.0.0.1") == 200


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("", "", True),
        ("unix:", "unix:", True),
    ],
)
def test_addresses_of_one_network_are_one(shop, first, second, is_one):
    """IPv6 by /64, since who has one address of it has them all; an IPv4 address in either form."""
    shop.route(rate_limit("1/minute", key="address")(view))
    assert shop.status(address=first) == 200
    assert shop.status(address=second) == (429 if is_one else 200)


@pytest.mark.parametrize("key", ["address", "actor"])
def test_exempt_addresses_are_never_limited_by_address(make_shop, key):
    """Nor as the address of an anonymous caller; others are."""
    shop = make_shop(BACKEND_LIMITS_EXEMPT_ADDRESSES="10.0.0.0/8, 2001:db8::/32")
    shop.route(rate_limit("1/minute", key=key)(view))
    assert shop.statuses(3, address="10.9.9.9") == [200, 200, 200]
    assert shop.statuses(3, address="2001:db8::7") == [200, 200, 200]
    assert shop.statuses(2, address="11.0.0.1") == [200, 429]


@pytest.mark.parametrize("value", ["abc", "x" * 8_000, "na\u00efve", "a:10.0.0.1", "a b", "#" * 33])
def test_a_header_counts_its_values(counted_shop, value):
    """Of any length and content; leaving it out is no way round: then the address counts."""
    counted_shop.route(rate_limit("1/minute", key="header:X-Tenant")(view))
    assert counted_shop.statuses(2, headers={"X-Tenant": value}) == [200, 429]
    assert counted_shop.status(headers={"X-Tenant": value + "2"}) == 200
    assert counted_shop.statuses(2) == [200, 429]


def test_the_headers_that_wsgi_keeps_elsewhere_are_counted_too(shop):
    """Content-Type is not among the others."""
    shop.route(rate_limit("1/minute", key="header:Content-Type")(view))
    assert [shop.status(headers={"Content-Type": kind}) for kind in ("a/b", "c/d", "a/b")] == [200, 200, 429]


def test_a_function_counts_what_it_gives(shop):
    """It gets path arguments by name, and may look at the request."""
    shop.route(
        rate_limit("1/minute", key=lambda shop_id: shop_id)(lambda shop_id: "a"), "/shops/<int:shop_id>"
    )
    shop.route(rate_limit("1/minute", key=lambda: request.args["q"])(view), "/y")
    assert [shop.status("/shops/1"), shop.status("/shops/1"), shop.status("/shops/2")] == [200, 429, 200]
    assert [shop.status("/y?q=a"), shop.status("/y?q=a"), shop.status("/y?q=b")] == [200, 429, 200]


@pytest.mark.parametrize("option", ["key", "cost", "when"])
def test_a_function_of_the_user_that_raises_is_the_users_error(shop, option):
    """It is not taken for a decision: the app's tests see it."""

    def broken():
        raise ZeroDivisionError

    shop.app.testing = True
    shop.route(rate_limit("1/minute", **{option: broken})(view))
    with pytest.raises(ZeroDivisionError):
        shop.status()


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("key", None, TypeError),
        ("key", object(), TypeError),
        ("cost", True, ValueError),
        ("cost", "2", ValueError),
    ],
)
def test_a_function_that_gives_nonsense_is_told_so(shop, option, value, error):
    """An object without a stable text would count nobody."""
    shop.app.testing = True
    shop.route(rate_limit("1/minute", **{option: lambda: value})(view))
    with pytest.raises(error, match=f"{option}="):
        shop.status()


# --- how much, and whether ---


@pytest.mark.parametrize("number", ["-5", "-99999999999999999999", "1"])
def test_a_cost_below_zero_is_a_request_like_any_other(counted_shop, number):
    """It comes from the client: no error of ours, and no room made."""
    counted_shop.route(rate_limit("2/minute", cost=lambda: int(request.args["n"]))(view))
    assert counted_shop.statuses(3, f"/x?n={number}") == [200, 200, 429]


def test_what_never_fits_is_not_told_to_come_back(shop, recorder):
    """A 429 without Retry-After that says why; the log names the cost, once."""
    recorded = Shop()
    recorded.route(rate_limit("2/minute", name="export", cost=lambda: int(request.args["n"]))(view))
    for _ in range(2):
        refused = recorded.ask("/x?n=11")
        assert refused.status_code == 429
        assert "Retry-After" not in refused.headers
        assert refused.json["error"]["message"] == "This request weighs more than is let through at all."
    assert [fields["cost"] for fields in recorder.named("rate_limited")] == [11]
    assert recorded.statuses(3, "/x?n=1") == [200, 200, 429]
    assert "Retry-After" in recorded.ask("/x?n=1").headers


def test_cost_is_what_a_request_weighs(counted_shop):
    """A number or a function; what does not fit takes nothing, so that something smaller still does."""
    counted_shop.route(rate_limit("5/minute", cost=lambda n: n)(lambda n: "a"), "/x/<int:n>")
    counted_shop.route(rate_limit("5/minute", cost=3)(view), "/y")
    costs = [3, 3, 2, 0, 1]
    assert [counted_shop.status(f"/x/{cost}") for cost in costs] == [200, 429, 200, 200, 429]
    assert counted_shop.statuses(2, "/y") == [200, 429]


def test_when_says_whether_a_request_counts(shop):
    """What does not count has no headers either."""
    shop.route(rate_limit("1/minute", when=lambda: "free" not in request.args)(view))
    assert shop.statuses(2) == [200, 429]
    with shop.ask("/x?free") as response:
        assert (response.status_code, "RateLimit" in response.headers) == (200, False)


def test_the_widest_tier_that_fits_counts(counted_shop):
    """By the caller's roles, None for no limit; who has no such role, or is nobody, has the plain rates."""
    tiers = {"partner": "3/minute", "customer": "2/minute", "internal": None}
    counted_shop.route(rate_limit("1/minute", tiers=tiers)(view))
    assert counted_shop.statuses(2) == [200, 429]
    assert counted_shop.statuses(2, actor="1", roles=()) == [200, 429]
    assert counted_shop.statuses(3, actor="2", roles=("customer",)) == [200, 200, 429]
    assert counted_shop.statuses(4, actor="3", roles=("customer", "partner")) == [200, 200, 200, 429]
    assert counted_shop.statuses(9, actor="4", roles=("partner", "internal")) == [200] * 9


def test_a_burst_and_a_lasting_rate_hold_together(counted_shop):
    """`;` joins them: whichever is spent first refuses, and a refusal costs the other nothing."""
    counted_shop.route(rate_limit("2/second; 3/hour", strategy="gcra")(view))
    with counted_shop.ask() as response:
        assert response.headers["RateLimit-Policy"] == '"actor-second";q=2;w=1, "actor-hour";q=3;w=3600'
    statuses = counted_shop.statuses(3)
    assert statuses[0] == 200
    assert 429 in statuses


# --- in which order ---


def test_who_is_not_let_in_is_counted_by_address(counted_shop):
    """Guessing tokens is limited too: 401, and 429 in its place once the address has had its share; by that limit alone."""
    counted_shop.route(rate_limit("1/minute")(rate_limit("3/minute", key="address")(require_auth(view))))
    assert counted_shop.statuses(2) == [401, 401]
    assert counted_shop.statuses(3, actor="forged") == [401, 429, 429]
    assert counted_shop.status(actor="7") == 429
    assert counted_shop.status(actor="7", address="10.0.0.2") == 200


@pytest.mark.parametrize("key", ["actor", "api_key"])
def test_a_failed_authentication_does_not_come_to_the_limits_by_identity(counted_shop, key):
    """A 401 takes nothing from an address by a limit of actors; where anybody may call, the address counts."""
    counted_shop.route(rate_limit("1/minute", key=key)(require_permission("orders:read")(view)))
    counted_shop.route(rate_limit("1/minute", key=key)(view), "/open")
    assert counted_shop.statuses(3) == [401] * 3
    with counted_shop.ask() as response:
        assert "RateLimit" not in response.headers
    assert counted_shop.statuses(2, "/open") == [200, 429]


def test_a_refusal_takes_nothing_from_the_other_limits(counted_shop):
    """All or nothing: the address is not charged for what the actor may not do."""
    counted_shop.route(rate_limit("1/minute")(rate_limit("3/minute", key="address")(require_auth(view))))
    assert counted_shop.statuses(5, actor="7") == [200, 429, 429, 429, 429]
    assert [counted_shop.status(actor=str(number)) for number in range(3)] == [200, 200, 429]


def test_limits_come_before_permissions(shop):
    """Who may not do something may not try for ever."""
    shop.route(rate_limit("2/minute")(require_permission("orders:delete")(view)))
    assert shop.statuses(3, actor="7") == [403, 403, 429]


@pytest.mark.parametrize("order", ["limit above", "limit below"])
def test_the_order_of_the_decorators_does_not_matter(shop, order):
    """By the actor, though the limit stands above what authenticates."""
    limit = rate_limit("1/minute")
    shop.route(limit(require_auth(view)) if order == "limit above" else require_auth(limit(view)))
    assert [shop.status(actor=actor) for actor in "778"] == [200, 429, 200]


@pytest.mark.parametrize("place", ["one guard", "two guards", "blueprint"])
def test_all_limits_of_a_request_are_one_trip(make_shop, redis_url, place):
    """A token, a permission and two limits, in steady state, counted by MONITOR; and a token that does not count, too."""
    shop = make_shop(BACKEND_REDIS_URL=redis_url)
    by_address, by_actor = rate_limit("1000/minute; 9000/hour", key="address"), rate_limit("1000/minute")
    inner = require_permission("orders:read")(by_actor(view))
    blueprint = Blueprint("b", "b")

    def foreign(*args, **kwargs):
        return inner(*args, **kwargs)

    if place == "blueprint":
        by_address(blueprint)
    blueprint.get("/x")({"one guard": by_address(inner), "two guards": by_address(foreign)}.get(place, inner))
    shop.app.register_blueprint(blueprint)
    assert shop.warm_up("/x", actor="7") == [200, 200]
    assert commands_of(redis_url, lambda: shop.status(actor="7")) == ["EVALSHA"]
    assert commands_of(redis_url, lambda: shop.status(actor="forged")) == ["EVALSHA"]


def test_what_is_known_to_be_refused_asks_nobody(make_shop, redis_url):
    """A caller in a loop costs Redis nothing, whatever it varies; and unlimited routes never cost anything."""
    shop = make_shop(BACKEND_REDIS_URL=redis_url)
    shop.route(rate_limit("1/minute")(rate_limit("2/minute", key="address")(view)))
    shop.route(require_auth(view), "/free")
    assert shop.warm_up("/free", actor="7") == [200, 200]
    assert shop.statuses(2, actor="7") == [200, 429]
    assert commands_of(redis_url, lambda: shop.statuses(3, "/x?again", actor="7")) == []
    assert commands_of(redis_url, lambda: shop.statuses(3, "/free", actor="7")) == []


def test_threads_get_what_is_allowed_and_no_more(counted_shop):
    """Two limits of a route under 12 threads: the tighter one is exact, to the request."""
    counted_shop.route(rate_limit("40/hour")(rate_limit("60/hour", key="address")(require_auth(view))))
    with ThreadPoolExecutor(12) as threads:
        tasks = [threads.submit(counted_shop.statuses, 8, f"/x?{number}", actor="7") for number in range(12)]
        statuses = Counter(status for task in tasks for status in task.result())
    assert statuses == {200: 40, 429: 56}
    assert counted_shop.statuses(21, actor="8") == [200] * 20 + [429]


# --- blocks ---


def test_a_block_is_counted_where_it_is_entered(counted_shop):
    """`with rate_limit(...)` in a view: a 429 of the route; in a job: the exception; by name, or where it stands."""

    def export():
        with rate_limit("2/minute"):
            return "exported"

    mailing = rate_limit("2/minute", name="mailing")
    counted_shop.route(export)
    assert counted_shop.statuses(3) == [200, 200, 429]
    with counted_shop.app.app_context():
        for _ in range(2):
            with mailing:
                pass
        with pytest.raises(RateLimitError) as refusal, mailing:
            pytest.fail("refused blocks are not entered")
        assert 0 < refusal.value.retry_after <= 120
        assert refusal.value.details[0]["policy"] == "mailing"


def test_a_block_shows_in_the_headers(shop):
    """Beside the route's own limits."""

    def export():
        with rate_limit("9/minute", name="exports"):
            return "exported"

    shop.route(rate_limit("5/minute", key="address")(export))
    with shop.ask() as response:
        assert response.headers["RateLimit-Policy"] == '"address";q=5;w=60, "exports";q=9;w=60'


def test_a_limited_function_may_be_called_by_a_job(shop):
    """Outside of requests there is no caller to tell from others: all calls count together."""

    @rate_limit("1/minute", key="address")
    def send():
        return "sent"

    with shop.app.app_context():
        assert send() == "sent"
        with pytest.raises(RateLimitError):
            send()


def test_blocks_that_are_made_anew_each_time_are_not_kept_for_ever(shop):
    """`with rate_limit(..., key=lambda: ...)` makes a declaration each time; they count together all the same."""
    enforcement = shop.state.limits.enforcement
    with shop.app.app_context():
        for _ in range(1_500):
            with rate_limit("1500/hour", name="many", key=lambda: "all"):
                pass
        with pytest.raises(RateLimitError), rate_limit("1500/hour", name="many", key=lambda: "all"):
            pytest.fail("not entered")
    assert len(enforcement._alone) <= 1_000


def test_a_flood_of_callers_is_no_flood_of_lines(recorder):
    """A header can be anything: some callers are named, the others counted."""
    shop = Shop()
    shop.route(rate_limit("1/minute", key="header:X-Tenant")(view))
    for number in range(100):
        assert shop.statuses(2, headers={"X-Tenant": str(number)}) == [200, 429]
    assert len(recorder.named("rate_limited")) == 20
    clock = shop.state.limits.enforcement._told
    clock._clock = lambda: 1e9
    shop.statuses(2, headers={"X-Tenant": "another"})
    assert recorder.named("rate_limited")[-1]["callers_not_shown"] == 80
