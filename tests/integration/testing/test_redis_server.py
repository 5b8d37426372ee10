"""`redis_url` and `redis_server`: a real Redis, clean for each test, that can be broken on purpose."""

import threading

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry


@pytest.fixture
def client(redis_url):
    with Redis.from_url(redis_url, socket_timeout=0.3, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@pytest.mark.parametrize("turn", [1, 2])
def test_keys_scripts_and_configuration_end_with_the_test(client, turn):
    """What one test writes into Redis or its configuration, in any database, the next does not find."""
    assert client.dbsize() == 0
    assert client.info("keyspace") == {}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    client.set("left", "over")
    client.execute_command("SELECT", 5)
    client.set("left", "over")
    client.execute_command("SELECT", 0)
    sha = client.script_load("return 1")
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert client.script_exists(sha) == [True]


@pytest.mark.parametrize("turn", [1, 2])
def test_scripts_end_with_the_test(client, turn):
    """A script loaded by one test is not known in the next, so that a missing load shows."""
    sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"  # of "return 1"
    assert client.script_exists(sha) == [False]
    assert client.script_load("return 1") == sha


@pytest.mark.parametrize("turn", ["kill", "stop", "suspend", "password", "after all"])
def test_whatever_a_test_did_the_next_has_a_working_redis(client, redis_server, turn):
    """Killed, stopped, hanging or locked with a password: the next test finds it running, at the same address."""
    assert client.ping()
    if turn == "password":
        client.config_set("requirepass", "secret")
    elif turn != "after all":
        getattr(redis_server, turn)()


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_stopped_server_refuses_and_a_restarted_one_is_back_at_its_url(
    client, redis_server, redis_url, way
):
    """Down is down at once (connection refused), and clients find it again where it was, as a new process."""
    before = redis_server.pid
    getattr(redis_server, way)()
    assert not redis_server.running
    with pytest.raises(RedisConnectionError, match="refused"):
        client.ping()
    redis_server.restart()
    assert client.ping()
    assert redis_server.url == redis_url
    assert redis_server.pid != before


def test_a_suspended_server_hangs_and_a_resumed_one_answers(client, redis_server):
    """Hanging is another failure than being down: connections stand, new ones are accepted, no answer comes."""
    client.ping()
    redis_server.suspend()
    assert redis_server.running
    with pytest.raises(RedisTimeoutError):
        client.ping()  # on a connection from before
    with pytest.raises(RedisTimeoutError):
        client.ping()  # on a new one
    redis_server.resume()
    assert client.ping()


def test_a_server_left_hanging_is_only_woken_for_the_next_test(client, redis_server):
    """No wait for a time-out and no new process: the fixture resumes before it asks."""
    before = redis_server.pid
    redis_server.suspend()
    redis_server.reset()
    assert redis_server.pid == before


def test_a_server_restarted_in_a_thread_outlives_the_thread(client, redis_server):
    """Failure drills restart Redis from helper threads; it stays up when they end."""
    thread = threading.Thread(target=redis_server.restart)
    thread.start()
    thread.join()
    pid = redis_server.pid
    threading.Event().wait(0.2)
    assert redis_server.pid == pid
    assert client.ping()


def test_nothing_is_written_to_disk(client):
    """No snapshot, no append-only file: a restart is always an empty start."""
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
