"""N are N, whoever asks at the same time: 8 processes with 8 threads each on one Redis, 64 threads in memory."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_backend_patterns._redis import RedisSettings
from flask_backend_patterns._shared_redis import SharedRedis
from flask_backend_patterns.limits.backends.memory import MemoryWindows
from flask_backend_patterns.limits.backends.redis import RedisWindows
from flask_backend_patterns.limits.protocols import Charge
from flask_backend_patterns.limits.settings import FIXED_WINDOW, GCRA, SLIDING_WINDOW
from flask_backend_patterns.observability.events import LoggingEventLog
from flask_backend_patterns.observability.masking import Masker

STRATEGIES = [FIXED_WINDOW, SLIDING_WINDOW, GCRA]
PROCESSES, THREADS, ATTEMPTS = 8, 8, 25  # 1,600 requests
AMOUNT, SMALL, DAY = 1000, 300, 86_400


@pytest.fixture(scope="module")
def counts(redis_server):
    """What got through, by kind of limit, and what Redis then says of the limit that both halves shared."""
    redis_server.reset()
    program = Path(__file__).parent / "counting_process.py"
    arguments = [redis_server.url, *map(str, (PROCESSES, THREADS, ATTEMPTS))]
    running = [
        subprocess.Popen(
            [sys.executable, str(program), arguments[0], str(number), *arguments[1:]],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    found = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    total = {kind: sum(part[kind] for part in found) for kind in found[0]}
    settings = RedisSettings(url=redis_server.url, timeout_seconds=10)
    redis = SharedRedis(settings, namespace="test", log=LoggingEventLog(Masker()))
    looked = Charge(key="all", amount=AMOUNT, window_seconds=DAY, cost=0, strategy=FIXED_WINDOW)
    (standing,) = RedisWindows(redis).charge([looked])
    return total | {"left for both halves": standing.remaining}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_processes_together_get_exactly_the_amount(counts, strategy):
    """64 threads of 8 processes send 1,600 requests to a limit of 1,000: exactly 1,000 go through."""
    assert counts[strategy] == AMOUNT


def test_what_one_limit_refused_another_does_not_count(counts):
    """Each half has 300 of its own, and both share 1,000: 600 get through, and 600 are counted for both."""
    assert counts["pair"] == 2 * SMALL
    assert counts["left for both halves"] == AMOUNT - 2 * SMALL


@pytest.fixture
def eager_switching():
    """Threads take turns as often as they can, so that a step that is not one shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_threads_together_get_exactly_the_amount(strategy, eager_switching):
    """64 threads send 1,600 requests to a limit of 1,000 in memory: exactly 1,000 go through."""
    windows = MemoryWindows(max_keys=100)
    wanted = [Charge(key="a", amount=AMOUNT, window_seconds=DAY, cost=1, strategy=strategy)]
    with ThreadPoolExecutor(PROCESSES * THREADS) as pool:
        found = pool.map(
            lambda _: sum(windows.charge(wanted)[0].is_allowed for _ in range(25)), range(PROCESSES * THREADS)
        )
    assert sum(found) == AMOUNT
