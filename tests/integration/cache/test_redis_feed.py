"""`RedisFeed` on a real Redis: what reaches the caches, and when they stop to be used."""

import gc
import json
import socket
import threading
import time
import weakref

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.cache import MISSING, NearCache, RedisFeed, encode_keys, publish_script
from flask_backend_patterns.cache.backends.redis_subscription import RedisSubscription
from flask_backend_patterns.errors import CacheError

CHANNEL = "test:invalidations"
MESSAGES = {
    '["a"]': "a",
    '["a", "b", "unknown"]': "ab",
    '["\\u0444", "\\ud800"]': "ф\ud800",
    '["ф"]'.encode(): "ф",
    "[]": "",
    "{}": "",  # what cjson makes of an empty table
    "*": "abф\ud800",
    '["*"]': "",
    # unreadable: what has changed is not known
    "": "abф\ud800",
    "a": "abф\ud800",
    b"\xff\xfe": "abф\ud800",
    "null": "abф\ud800",
    "7": "abф\ud800",
    '"a"': "abф\ud800",
    '{"a": 1}': "abф\ud800",
    '["a", 1]': "abф\ud800",
    '[["a"]]': "abф\ud800",
    "[" * 100_000: "abф\ud800",
}


def listening():
    """How many threads do; other threads may end, of earlier tests, and are nobody's matter."""
    return sum(thread.name == f"near-cache-{CHANNEL}" for thread in threading.enumerate())


def subscribers(client):
    return client.pubsub_numsub(CHANNEL)[0][1]


def down_and_up(log):
    return ["dependency.down" in log.names, "dependency.up" in log.names]


def test_it_starts_with_its_first_use(make_feed, client, wait_until, show):
    """Made, listened to and published on, it neither connects nor starts a thread for listening."""
    feed = make_feed()
    NearCache(max_entries=10, ttl_seconds=60, feed=feed)
    feed.publish("a")
    assert (listening(), subscribers(client)) == (0, 0)
    assert feed.is_trusted is False
    show(f"trusted after {wait_until(lambda: feed.is_trusted) * 1000:.1f} ms")
    assert (listening(), subscribers(client)) == (1, 1)


def test_many_threads_start_it_once(make_feed, client, wait_until):
    """One thread and one connection, however many ask first."""
    feed = make_feed()
    together = threading.Barrier(30)

    def ask():
        together.wait()
        return feed.is_trusted

    askers = [threading.Thread(target=ask) for _ in range(30)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    wait_until(lambda: feed.is_trusted)
    assert (listening(), subscribers(client)) == (1, 1)


@pytest.mark.parametrize(("message", "gone"), MESSAGES.items(), ids=[repr(m)[:20] for m in MESSAGES])
def test_what_a_message_invalidates(cache, client, log, message, gone, wait_until):
    """The keys it names; everything, where it says so or cannot be read. No message ends the feed."""
    for key in "abф\ud800":
        cache.get_or_load(key, lambda: 1)
    cache.get_or_load("last", lambda: 1)
    client.publish(CHANNEL, message)
    client.publish(CHANNEL, '["last"]')
    wait_until(lambda: cache.peek("last") is MISSING)
    assert "".join(key for key in "abф\ud800" if cache.peek(key) is MISSING) == gone
    assert log.events == []


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("is_decoding", [False, True])
def test_every_kind_of_client_will_do(redis_url, make_feed, client, protocol, is_decoding, wait_until):
    """RESP2 and RESP3, bytes and text; with redis-py's own health checks."""
    feed = make_feed(
        connect=lambda: Redis.from_url(
            redis_url, protocol=protocol, decode_responses=is_decoding, health_check_interval=1
        )
    )
    cache = NearCache(max_entries=10, ttl_seconds=60, feed=feed)
    wait_until(lambda: feed.is_trusted)
    cache.get_or_load("a", lambda: 1)
    client.publish(CHANNEL, encode_keys(("a",)))
    wait_until(lambda: cache.peek("a") is MISSING)
    assert feed.is_trusted


def test_a_script_writes_and_tells_in_one_step(feed, cache, client, wait_until, show):
    """`publish_script`: any text, no keys at all, and nothing is told when the write fails."""
    write = client.register_script(
        publish_script() + "redis.call('SET', KEYS[1], ARGV[2]) publish_keys(ARGV[1], KEYS)"
    )
    key = 'я "quoted"/\\ \n\0'
    cache.get_or_load(key, lambda: 1)
    write(keys=[key], args=[feed.channel, "new"])
    show(f"invalidated after {wait_until(lambda: cache.peek(key) is MISSING) * 1000:.2f} ms")
    assert cache.get_or_load(key, lambda: client.get(key)) == b"new"
    assert client.eval(publish_script() + "publish_keys(ARGV[1], {}) return 1", 0, CHANNEL) == 1


def test_publishing_tells_this_process_at_once_and_the_others_soon(feed, cache, make_feed, wait_until):
    """On return the own caches have forgotten the key."""
    other = make_feed()
    elsewhere = NearCache(max_entries=10, ttl_seconds=60, feed=other)
    wait_until(lambda: other.is_trusted)
    for each in (cache, elsewhere):
        each.get_or_load("a", lambda: 1)
        each.get_or_load("b", lambda: 1)
    feed.publish("a")
    assert cache.peek("a") is MISSING
    wait_until(lambda: elsewhere.peek("a") is MISSING)
    assert (cache.peek("b"), elsewhere.peek("b")) == (1, 1)
    feed.publish_everything()
    assert cache.peek("b") is MISSING
    wait_until(lambda: elsewhere.peek("b") is MISSING)


def test_another_channel_is_another_app(cache, make_feed, client):
    """Nothing of it is heard."""
    cache.get_or_load("a", lambda: 1)
    make_feed(channel="test:other").publish("a")
    assert client.publish(CHANNEL, encode_keys(("b",))) == 1
    assert cache.peek("a") == 1


def kill(server, _client):
    server.kill()
    return server.start


def restart(server, _client):
    server.restart()
    return lambda: None


def hang(server, _client):
    server.suspend()
    return server.resume


def end_connections(_server, client):
    assert client.client_kill_filter(_type="pubsub") == 1
    return lambda: None


def overrun(_server, client):
    client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
    client.publish(CHANNEL, "x" * 4_000_000)
    return lambda: None


@pytest.mark.parametrize("loss", [kill, restart, hang, end_connections, overrun])
def test_after_a_loss_nothing_old_is_trusted(loss, redis_server, cache, client, log, wait_until, show):
    """Bypassed while it lasts, empty before it is used again, back by itself; one log event each way."""
    assert cache.get_or_load("k", lambda: "old") == "old"
    repair = loss(redis_server, client)
    # no invalidation of k is heard: from here on "old" is wrong
    took = wait_until(lambda: "dependency.down" in log.names)
    repair()
    back = wait_until(lambda: "dependency.up" in log.names)
    show(f"{loss.__name__}: noticed after {took * 1000:.0f} ms, back after {back * 1000:.0f} ms")
    assert cache.get_or_load("k", lambda: "new") == "new"
    assert cache.get_or_load("k", lambda: "newer") == "new"
    assert log.names == ["dependency.down", "dependency.up"]
    assert all(fields["dependency"] == "redis" for _, fields in log.events)


@pytest.mark.parametrize("loss", ["kill", "suspend"])
def test_while_it_lasts_every_read_goes_past_the_cache(loss, redis_server, feed, cache, wait_until):
    """Exactly as many loads as reads; what was known is seen by `peek`."""
    cache.get_or_load("k", lambda: "old")
    getattr(redis_server, loss)()
    wait_until(lambda: not feed.is_trusted)
    assert [cache.get_or_load("k", lambda number=number: number) for number in range(5)] == [0, 1, 2, 3, 4]
    assert cache.peek("k") == "old"


@pytest.mark.parametrize("seconds", [0, -1, 0.049, 60.1, float("nan"), float("inf")])
def test_a_silence_that_cannot_work_is_refused(make_feed, seconds):
    """Not a busy loop of PINGs, nor trust for ever."""
    with pytest.raises(ValueError, match=r"expected 0\.05 to 60"):
        make_feed(max_silence_seconds=seconds)


def test_a_lost_connection_ends_trust_at_once(redis_server, make_feed, log, wait_until):
    """As soon as it is noticed, not when the time is over."""
    feed = make_feed(max_silence_seconds=60)
    wait_until(lambda: feed.is_trusted)
    redis_server.kill()
    wait_until(lambda: log.names == ["dependency.down"])
    assert not feed.is_trusted


def test_silence_ends_trust_in_time(redis_server, make_feed, wait_until):
    """No later than `max_silence_seconds` after Redis has stopped to answer."""
    feed = make_feed(max_silence_seconds=0.3)
    wait_until(lambda: feed.is_trusted)
    redis_server.suspend()
    start = time.monotonic()
    wait_until(lambda: not feed.is_trusted)
    assert feed._trusted_until <= start + 0.3


def test_any_number_of_losses(redis_server, feed, cache, client, log, wait_until):
    """Ten times lost, ten times back: exactly one event each way for each, and never an old value."""
    for number in range(10):
        cache.get_or_load("k", lambda number=number: number)
        if number % 3 == 0:
            redis_server.kill()
            wait_until(lambda number=number: log.names.count("dependency.down") > number)
            redis_server.start()
        else:
            client.client_kill_filter(_type="pubsub")
        wait_until(lambda number=number: log.names.count("dependency.up") > number)
        assert cache.peek("k") is MISSING
    assert log.names == ["dependency.down", "dependency.up"] * 10


def test_a_loss_during_a_load_keeps_its_value_out(feed, cache, client, log, wait_until):
    """C7: read before the loss, arriving after it is over."""

    def load():
        client.client_kill_filter(_type="pubsub")
        wait_until(lambda: down_and_up(log) == [True, True])
        return "old"

    assert cache.get_or_load("k", load) == "old"
    assert feed.is_trusted
    assert cache.get_or_load("k", lambda: "new") == "new"


def test_an_invalidation_during_a_load_keeps_its_value_out(feed, cache, client, wait_until):
    """C7, with the write and its message in another client."""
    client.set("k", "old")
    cache.get_or_load("heard", lambda: 1)
    write = publish_script() + "redis.call('SET', KEYS[1], 'new') publish_keys(ARGV[1], {KEYS[1], 'heard'})"

    def load():
        value = client.get("k")
        client.eval(write, 1, "k", CHANNEL)
        wait_until(lambda: cache.peek("heard") is MISSING)
        return value

    assert cache.get_or_load("k", load) == b"old"
    assert cache.get_or_load("k", lambda: client.get("k")) == b"new"


def test_it_waits_between_attempts_and_says_so_once(make_feed, log, wait_until):
    """A server that hangs up on everybody is asked with growing delays, not in a busy loop."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while len(accepted) < 6:
                connection, _ = server.accept()
                accepted.append(time.monotonic())
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        feed = make_feed(connect=lambda: connect(RedisSettings(url=url)))
        feed.start()
        thread.join()
    assert accepted[-1] - accepted[0] > 0.5 * (0.02 + 0.04 + 0.08 + 0.16 + 0.32)
    assert log.names == ["dependency.down"]


@pytest.mark.parametrize("fault", [ValueError("no URL"), OSError("no network")])
def test_a_client_that_cannot_be_made_is_a_loss_like_any_other(make_feed, redis_url, log, fault, wait_until):
    """Tried again; what nobody expects is logged with its stack."""
    faults = [fault, fault]

    def make():
        if faults:
            raise faults.pop()
        return connect(RedisSettings(url=redis_url))

    feed = make_feed(connect=make)
    wait_until(lambda: feed.is_trusted)
    assert log.names == ["dependency.down", "dependency.up"]
    assert ("exc_info" in log.events[0][1]) == isinstance(fault, ValueError)


def test_a_listener_that_raises_ends_trust(feed, cache, client, log, wait_until):
    """The others may have missed the message: all begin anew; the fault is in the log."""
    cache.get_or_load("k", lambda: 1)
    faults = [ZeroDivisionError("a fault")]

    def listen(keys):
        if faults and keys is not None:
            raise faults.pop()

    feed.listen(listen)
    client.publish(CHANNEL, '["unknown"]')
    wait_until(lambda: log.names == ["dependency.down", "dependency.up"])
    assert cache.peek("k") is MISSING
    assert isinstance(log.events[0][1]["exc_info"], ZeroDivisionError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_log_that_raises_does_not_end_the_feed(make_feed, client, log, wait_until):
    """Its thread dies of it, and the next question for `is_trusted` starts another one."""
    feed = make_feed()
    wait_until(lambda: feed.is_trusted)
    first = feed._follower

    def fail(*_, **__):
        raise BrokenPipeError

    log.warning = fail
    client.client_kill_filter(_type="pubsub")
    wait_until(lambda: not first.is_alive())
    wait_until(lambda: feed.is_trusted)
    assert subscribers(client) == 1


def test_without_permission_for_the_channel_it_is_never_trusted(
    redis_url, make_feed, client, log, wait_until
):
    """Redis refuses SUBSCRIBE: bypassed, and the log says why."""
    client.acl_setuser("deaf", enabled=True, nopass=True, commands=["+@all"], reset_channels=True, keys=["*"])
    try:
        url = redis_url.replace("redis://", "redis://deaf:any@")
        feed = make_feed(connect=lambda: connect(RedisSettings(url=url)))
        feed.start()
        wait_until(lambda: log.names == ["dependency.down"])
        assert log.events[0][1]["reason"] == "NoPermissionError"
        assert not feed.is_trusted
    finally:
        client.acl_deluser("deaf")


def test_publishing_without_redis_is_an_error_that_the_own_caches_do_not_feel(
    redis_server, feed, cache, log, wait_until
):
    """`CacheError`, within a blink; this process has forgotten the key all the same."""
    cache.get_or_load("k", lambda: 1)
    redis_server.kill()
    for _ in range(3):
        with pytest.raises(CacheError):
            feed.publish("k")
    assert cache.peek("k") is MISSING


def test_closing_ends_its_thread_and_connection(feed, client, wait_until):
    """And it can be used again."""
    feed.close()
    assert listening() == 0
    wait_until(lambda: subscribers(client) == 0)
    assert not feed.is_trusted
    wait_until(lambda: feed.is_trusted)
    feed.close()
    feed.close()


def test_an_app_that_is_thrown_away_takes_its_thread_along(redis_url, client, log, wait_until):
    """Nobody has to close a feed: without users it ends."""

    def use():
        feed = RedisFeed(lambda: connect(RedisSettings(url=redis_url)), channel=CHANNEL, log=log)
        cache = NearCache(max_entries=10, ttl_seconds=60, feed=feed)
        wait_until(lambda: feed.is_trusted)
        cache.get_or_load("k", lambda: 1)
        return weakref.ref(cache)

    gone = use()
    gc.collect()
    assert gone() is None
    wait_until(lambda: (listening(), subscribers(client)) == (0, 0))
    assert log.events == []


def test_the_clients_pool_may_be_emptied(redis_url, make_feed, log, wait_until):
    """The subscription is no connection of the pool, so `client.close()` elsewhere does not end it."""
    shared = connect(RedisSettings(url=redis_url))
    feed = make_feed(connect=lambda: shared)
    wait_until(lambda: feed.is_trusted)
    shared.close()
    heard = feed._trusted_until
    wait_until(lambda: feed._trusted_until > heard)
    assert log.events == []


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_connection_that_redis_py_would_make_again_is_refused(redis_url, protocol, wait_until):
    """What was published in between would be missed without a word."""
    client = Redis.from_url(redis_url, protocol=protocol)
    subscription = RedisSubscription(client, channel=CHANNEL, max_silence_seconds=1.0, clock=time.monotonic)
    subscription.open()
    wait_until(lambda: subscription.read() is None and subscription.heard_until > 0)
    subscription._connection.disconnect()
    with pytest.raises(RedisConnectionError, match="made again"):
        wait_until(lambda: subscription.read() == "never")
    subscription.close()
    client.close()


def test_its_messages_are_json_lists(feed, client):
    """The format that other languages write: fixed."""
    with client.pubsub() as listener:
        listener.subscribe(CHANNEL)
        assert listener.get_message(timeout=60)["type"] == "subscribe"
        feed.publish("a", "ф")
        feed.publish()
        feed.publish_everything()
        messages = [listener.get_message(timeout=60)["data"] for _ in range(2)]
    assert json.loads(messages[0]) == ["a", "ф"]
    assert messages[1] == b"*"


def test_errors_do_not_show_the_password(make_feed, redis_server, log, wait_until):
    """Neither in the log nor in what the feed shows of itself."""
    feed = make_feed(connect=lambda: connect(RedisSettings(url="redis://:hunter2@127.0.0.1:1/0")))
    feed.start()
    wait_until(lambda: log.events)
    assert "hunter2" not in repr(log.events) + repr(feed)
    with pytest.raises(CacheError) as caught:
        feed.publish("a")
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)
    assert isinstance(caught.value.__cause__, RedisError)
