"""Counting refusals and keeping bans, with Redis and without."""

import threading

import pytest

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.errors import CacheError
from flask_backend_patterns.limits.bans.bans import Bans
from flask_backend_patterns.limits.bans.redis_bans import MAX_BANS, RedisBans
from flask_backend_patterns.limits.networks import Networks
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


class SilentFeed:
    """A feed that reaches nobody else; what was published is kept."""

    is_trusted = True

    def __init__(self):
        self.listeners, self.published = [], []

    def listen(self, listener):
        self.listeners.append(listener)

    def publish(self, *keys):
        self.published += keys
        for listener in self.listeners:
            listener(keys)


class Log:
    def __init__(self):
        self.events = []

    def warning(self, event, **fields):
        self.events.append((event, fields))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    return Log()


@pytest.fixture(params=["memory", "redis"])
def shared(request):
    return redis_bans(request.getfixturevalue("redis_url")) if request.param == "redis" else None


def redis_bans(url):
    return RedisBans(SharedRedis(RedisSettings(url=url), namespace="test", log=LoggingEventLog(Masker())))


def make(shared, clock, log=None, feed=None, *, let_pass=3, **options):
    return Bans(
        let_pass=let_pass,
        window_seconds=60,
        ban_seconds=600.0,
        shared=shared,
        feed=feed or SilentFeed(),
        log=log or Log(),
        clock=clock,
        **options,
    )


def refuse(bans, count, address="10.0.0.1"):
    for _ in range(count):
        bans.note_refusal(address)


def test_one_refusal_too_many_is_a_ban(shared, clock, log):
    """Three are nobody's fault, the fourth bans for ten minutes; it is logged once, however many more come."""
    bans = make(shared, clock, log)
    refuse(bans, 3)
    assert bans.seconds_left("10.0.0.1") == 0.0
    refuse(bans, 20)
    assert bans.seconds_left("10.0.0.1") == pytest.approx(600, abs=1)
    assert bans.seconds_left("10.0.0.2") == 0.0
    assert bans.seconds_left(None) == 0.0
    assert log.events == [("address_banned", {"address": "10.0.0.1", "seconds": 600, "reason": "refusals"})]
    clock.now += 601
    assert bans.seconds_left("10.0.0.1") == 0.0


def test_an_ipv6_customer_is_one_address(shared, clock):
    """Refusals from all over a /64 count together, and all of it is banned, but not the next one."""
    bans = make(shared, clock)
    for number in range(4):
        bans.note_refusal(f"2001:db8:0:1::{number}")
    assert bans.seconds_left("2001:db8:0:1:ffff::1") > 0
    assert bans.seconds_left("2001:db8:0:2::1") == 0.0
    refuse(bans, 4, "::ffff:10.0.0.1")
    assert bans.seconds_left("10.0.0.1") > 0


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "", "unix:", "nonsense"])
def test_some_are_never_banned(shared, clock, address):
    """Exempt networks; and what is no address, such as the peer of a Unix socket, which everybody would be."""
    bans = make(shared, clock, exempt=Networks(["192.0.2.0/24", "2001:db8::/64"]))
    refuse(bans, 20, address)
    bans.note_path(address, "/x.php")
    assert bans.seconds_left(address) == 0.0
    assert bans.listed() == []
    with pytest.raises(ValueError, match=r"exempt|no address"):
        bans.add(address)


def test_without_a_threshold_refusals_do_not_matter(shared, clock):
    """Only scanners' paths ban then."""
    bans = make(shared, clock, let_pass=None)
    refuse(bans, 100)
    assert bans.seconds_left("10.0.0.1") == 0.0
    bans.note_path("10.0.0.1", "/wp-login.php")
    assert [(ban.network, ban.reason) for ban in bans.listed()] == [("10.0.0.1", "path /wp-login.php")]


def test_a_lifted_ban_begins_anew(shared, clock):
    """Whoever is let in again has all refusals of the window before them; a second lift finds nothing."""
    bans = make(shared, clock)
    refuse(bans, 4)
    assert bans.lift("10.0.0.1") is True
    assert bans.lift("10.0.0.1") is False
    refuse(bans, 3)
    assert bans.seconds_left("10.0.0.1") == 0.0
    refuse(bans, 1)
    assert bans.seconds_left("10.0.0.1") > 0


def test_the_longer_ban_stays(redis_url, clock):
    """By hand for an hour, then for ten minutes: an hour."""
    bans = make(redis_bans(redis_url), clock)
    assert bans.add("10.0.0.1", seconds=3_600).seconds == 3_600
    assert bans.add("10.0.0.1").seconds == pytest.approx(3_600, abs=2)
    bans.note_path("10.0.0.1", "/x")
    assert [(ban.network, ban.reason) for ban in bans.listed()] == [("10.0.0.1", "by hand")]


def test_old_refusals_are_forgotten(clock):
    """The window begins with the first refusal."""
    bans = make(None, clock)
    refuse(bans, 3)
    clock.now += 60
    refuse(bans, 3)
    assert bans.seconds_left("10.0.0.1") == 0.0


def test_the_window_in_redis_ends_by_itself(redis_url, clock):
    """Every key there has an end, and the bans leave with it."""
    shared = redis_bans(redis_url)
    bans = make(shared, clock)
    refuse(bans, 2)
    bans.add("10.0.0.2", seconds=100)
    redis = shared._redis.client
    ttls = {key.decode(): redis.pttl(key) for key in redis.scan_iter()}
    assert ttls == {
        "backend:bans:{test}:refusals:10.0.0.1": pytest.approx(60_000, abs=3_000),
        "backend:bans:{test}:until": pytest.approx(101_000, abs=3_000),
        "backend:bans:{test}:reasons": pytest.approx(101_000, abs=3_000),
    }


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_flood_from_threads_is_counted_exactly(request, kind, log):
    """32 threads, 992 refusals against 1,000: none. Eight more: none. One more: a ban, told once."""
    shared = redis_bans(request.getfixturevalue("redis_url")) if kind == "redis" else None
    feed = SilentFeed()
    bans = make(shared, Clock(), log, feed, let_pass=1_000)
    start = threading.Barrier(32)

    def flood():
        start.wait(60)
        refuse(bans, 31)

    threads = [threading.Thread(target=flood) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    refuse(bans, 8)
    assert (log.events, feed.published) == ([], [])
    refuse(bans, 1)
    assert len(log.events) == 1
    assert feed.published == ["limits:ban:600000:10.0.0.1"]


def test_processes_count_and_ban_together(redis_url, clock, log):
    """Two parts of one flood; the one that did not ban learns it from its own next refusal, even without the feed."""
    first, second = (make(redis_bans(redis_url), clock, log) for _ in range(2))
    assert second.seconds_left("10.0.0.1") == 0.0
    refuse(first, 2)
    refuse(second, 1)
    refuse(first, 1)
    assert first.seconds_left("10.0.0.1") > 0
    assert second.seconds_left("10.0.0.1") == 0.0
    refuse(second, 1)
    assert second.seconds_left("10.0.0.1") == pytest.approx(600, abs=1)
    assert len(log.events) == 1


def test_bans_are_there_when_a_process_starts_and_after_its_feed_was_lost(redis_url, clock):
    """What the feed may have missed is looked up: bans, and their end."""
    feed = SilentFeed()
    other = make(redis_bans(redis_url), clock)
    other.add("10.0.0.1")
    bans = make(redis_bans(redis_url), clock, feed=feed)
    assert bans.seconds_left("10.0.0.1") == pytest.approx(600, abs=1)
    other.lift("10.0.0.1")
    other.add("10.0.0.2")
    clock.now += 10
    assert bans.seconds_left("10.0.0.1") > 0
    bans.hear(None)
    assert bans.seconds_left("10.0.0.1") == 0.0
    assert bans.seconds_left("10.0.0.2") > 0


def test_without_the_feed_it_looks_every_second(redis_url, clock):
    """A Redis that allows no subscriptions delays bans by a second, no more."""
    feed = SilentFeed()
    feed.is_trusted = False
    bans, other = make(redis_bans(redis_url), clock, feed=feed), make(redis_bans(redis_url), clock)
    assert bans.seconds_left("10.0.0.1") == 0.0
    other.add("10.0.0.1")
    assert bans.seconds_left("10.0.0.1") == 0.0
    clock.now += 1.1
    assert bans.seconds_left("10.0.0.1") > 0


def test_a_process_bans_alone_while_redis_is_away(redis_server, redis_url, clock, log):
    """It counts and bans in memory, nothing raises, by hand it is an error; afterwards the shared bans are back too."""
    shared = redis_bans(redis_url)
    bans, other = make(shared, clock, log), make(redis_bans(redis_url), clock)
    other.add("10.0.0.9")
    assert bans.seconds_left("10.0.0.9") > 0
    redis_server.kill()
    refuse(bans, 4)
    assert bans.seconds_left("10.0.0.1") > 0
    assert bans.seconds_left("10.0.0.9") > 0
    for away in (lambda: bans.add("10.0.0.3"), lambda: bans.lift("10.0.0.3"), bans.listed):
        with pytest.raises(CacheError):
            away()
    redis_server.reset()
    while shared.is_away:
        threading.Event().wait(0.01)
    other = make(redis_bans(redis_url), clock)
    other.add("10.0.0.4")
    clock.now += 2
    assert bans.seconds_left("10.0.0.4") > 0
    assert bans.seconds_left("10.0.0.1") > 0


def test_bans_are_bounded(redis_url, clock, monkeypatch):
    """A flood of addresses drops the bans that end soonest."""
    monkeypatch.setattr("flask_backend_patterns.limits.bans.redis_bans.MAX_BANS", 10)
    bans = make(redis_bans(redis_url), clock)
    for number in range(30):
        bans.add(f"10.0.0.{number}", seconds=100 + number)
    assert [ban.network for ban in bans.listed()] == [f"10.0.0.{number}" for number in range(29, 19, -1)]
    assert MAX_BANS >= 10_000


@pytest.mark.parametrize(
    "message",
    ["limits:ban:", "limits:ban:x:y", "limits:ban:-1:10.0.0.1", "limits:bucket:k", "k", "limits:ban:²:a"],
)
def test_messages_that_say_nothing(clock, message):
    """What cannot be read changes nothing."""
    bans = make(None, clock)
    bans.add("10.0.0.1")
    bans.hear((message,))
    assert bans.seconds_left("10.0.0.1") == 600
