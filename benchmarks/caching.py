"""What `@cached` costs beside Flask-Caching, with Redis well, dead and stopped; and what many keys leave in memory.

CPU time of this process for one call, in an app context, the value a small dict. Everything of a table is measured in
one run, in turns.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, process_time, sleep
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_caching import Cache

from flask_backend_patterns import BackendPatterns, cached, rate_limit
from flask_backend_patterns.testing.redis_server import RedisServer

from .apps import BARE
from .in_process import log_to_a_file
from .speed import bare_request, slowness, told

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
FAST_CALLS, SLOW_CALLS = 20_000, 2_000
MAX_NEAR_US, MAX_REDIS_US, MAX_OUTAGE_US = 4.0, 100.0, 20.0
# The first half of the keys is more than may be kept (100,000 values, 20,000 counts), so memory is full then: the second
# half, if it were kept, would take as much again, and what is bounded grows by gaps between what is kept alone.
MAX_GROWTH_SHARE = 0.4
DISTINCT_KEYS = {"cache keys": 250_000, "limit keys": 100_000}
MEMORY_ENTRIES = 20_000
KEYS_A_REQUEST = 1_000
WARM_SECONDS = 10.0
NEAR, FROM_REDIS = "@cached, near", "@cached, Redis"
BY_HAND_MEMORY, BY_HAND_REDIS, BY_HAND_GET = "memoize, memory", "memoize, Redis", "cache.get, Redis"
LOADER, DEAD, STOPPED = "the loader", "@cached, Redis dead", "@cached, Redis stopped"
BY_HAND_DEAD = "memoize, Redis dead"


def load(item_id: int) -> dict[str, Any]:
    """What is cached."""
    return {"id": item_id, "name": "Item", "price": 1_999, "stock": 7}


@cached(ttl=300, key="near:{item_id}", tags=["item:{item_id}"])
def near_item(item_id: int) -> dict[str, Any]:
    """Kept near."""
    return load(item_id)


@cached(ttl=300, key="far:{item_id}", tags=["item:{item_id}"], near=False)
def far_item(item_id: int) -> dict[str, Any]:
    """Asked for in Redis each time."""
    return load(item_id)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Microseconds of CPU a call, an entry for each round; the longest call of an outage; growth of memory by name.

    Growth is that by the first half of the keys, and that by the second.
    """

    healthy: dict[str, list[float]]
    outage: dict[str, list[float]]
    longest_ms: dict[str, float]
    growth_mb: dict[str, tuple[float, float]]


def measure() -> Outcome:
    """Everything."""
    longest: dict[str, float] = {}
    with ExitStack() as stack:
        stack.enter_context(log_to_a_file())
        server = stack.enter_context(closing(RedisServer().start()))
        app = make_app(server.url)
        stack.enter_context(app.app_context())
        in_memory, in_redis = by_hand(app, "SimpleCache"), by_hand(app, "RedisCache", server.url)
        kept_in_memory, kept_in_redis = in_memory.memoize(300)(load), in_redis.memoize(300)(load)
        in_redis.set("item:7", load(7), timeout=300)
        _wait_until_near()
        healthy = in_turns(
            {
                BARE: (bare_request(), SLOW_CALLS),
                NEAR: (lambda: near_item(7), FAST_CALLS),
                BY_HAND_MEMORY: (lambda: kept_in_memory(7), FAST_CALLS),
                FROM_REDIS: (lambda: far_item(7), SLOW_CALLS),
                BY_HAND_REDIS: (lambda: kept_in_redis(7), SLOW_CALLS),
                BY_HAND_GET: (lambda: in_redis.get("item:7"), SLOW_CALLS),
            }
        )
        server.suspend()
        longest[STOPPED] = _longest_ms(lambda: far_item(8))
        outage = in_turns(
            {STOPPED: (lambda: far_item(8), FAST_CALLS), LOADER: (lambda: load(8), FAST_CALLS)}, rounds=3
        )
        server.kill()
        longest[DEAD] = _longest_ms(lambda: far_item(8))
        outage |= in_turns(
            {DEAD: (lambda: far_item(8), FAST_CALLS), BY_HAND_DEAD: (lambda: kept_in_redis(8), 200)}, rounds=3
        )
    growth = {name: _growth_in_child(name) for name in MEMORY}
    return Outcome(healthy=healthy, outage=outage, longest_ms=longest, growth_mb=growth)


def make_app(redis_url: str | None = None) -> Flask:
    """An app with nothing but the kit; without Redis what it counts and keeps is in this process."""
    app = Flask("caching")
    app.config["BACKEND_LIMITS_MEMORY_ENTRIES"] = MEMORY_ENTRIES
    if redis_url is not None:
        app.config["BACKEND_REDIS_URL"] = redis_url
    BackendPatterns().init_app(app)
    return app


def by_hand(app: Flask, kind: str, redis_url: str | None = None) -> Cache:
    """Flask-Caching with one of its backends."""
    config = {"CACHE_TYPE": kind, "CACHE_KEY_PREFIX": f"{kind}:", "CACHE_NO_NULL_WARNING": True}
    if redis_url is not None:
        config["CACHE_REDIS_URL"] = redis_url
    cache = Cache()
    cache.init_app(app, config)
    return cache


def in_turns(
    calls: dict[str, tuple[Callable[[], object], int]], *, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Microseconds of CPU a call, for each name a figure a round."""
    figures: dict[str, list[float]] = {name: [] for name in calls}
    for call, _ in calls.values():
        for _warm in range(20):
            call()
    for _ in range(rounds):
        for name, (call, times) in calls.items():
            started = process_time()
            for _turn in range(times):
                call()
            figures[name].append((process_time() - started) / times * 1e6)
    return figures


def _wait_until_near() -> None:
    """Until the process is known to hear of invalidations, and so may keep values near."""
    deadline = monotonic() + WARM_SECONDS
    while monotonic() < deadline:
        near_item(7)
        started = process_time()
        for _ in range(100):
            near_item(7)
        if (process_time() - started) / 100 * 1e6 < MAX_REDIS_US / 5:
            return
        sleep(0.05)


def _longest_ms(call: Callable[[], object]) -> float:
    """Of the first calls of an outage: the time of one, by the clock on the wall."""
    longest = 0.0
    for _ in range(200):
        started = perf_counter()
        call()
        longest = max(longest, perf_counter() - started)
    return longest * 1e3


def ask_for_many_values(app: Flask, numbers: range) -> None:
    """A value for each number."""
    for start in numbers[::KEYS_A_REQUEST]:
        with app.app_context():
            for number in range(start, start + KEYS_A_REQUEST):
                near_item(number)


def count_many_callers(app: Flask, numbers: range) -> None:
    """A request from each of so many callers."""
    callers = iter(numbers)
    limit = rate_limit("10/minute", key=lambda: f"caller-{next(callers)}", name="many")
    for _ in numbers[::KEYS_A_REQUEST]:
        with app.test_request_context():
            for _turn in range(KEYS_A_REQUEST):
                with limit:
                    pass


MEMORY = {"cache keys": ask_for_many_values, "limit keys": count_many_callers}


def _growth_in_child(name: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.caching", name]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    first, second = map(float, text.split())
    return first, second


def print_growth(name: str) -> None:
    """Megabytes that this process grows by in each half; without Redis, so that all of it is here."""
    app, use, count = make_app(), MEMORY[name], DISTINCT_KEYS[name]
    use(app, range(-KEYS_A_REQUEST, 0))
    sizes = [_resident_mb()]
    for numbers in (range(count // 2), range(count // 2, count)):
        use(app, numbers)
        sizes.append(_resident_mb())
    print(sizes[1] - sizes[0], sizes[2] - sizes[1])


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc says nothing of VmRSS")


def table(outcome: Outcome) -> bool:
    """Print everything; whether the budgets are kept."""
    print(
        f"\n@cached beside Flask-Caching: CPU us a call, median (min to max) of {ROUNDS} interleaved rounds"
    )
    for name, values in (outcome.healthy | outcome.outage).items():
        longest = outcome.longest_ms.get(name)
        note = "" if longest is None else f"   longest of the first calls {longest:.1f} ms"
        print(f"  {name:<24}{median(values):8.2f} ({min(values):.2f} to {max(values):.2f}){note}")
    loader, factor = median(outcome.outage[LOADER]), slowness(outcome.healthy[BARE])
    print(told(factor))
    found = {
        "a near hit": (median(outcome.healthy[NEAR]), MAX_NEAR_US * factor, "us"),
        "a Redis hit": (median(outcome.healthy[FROM_REDIS]), MAX_REDIS_US * factor, "us"),
        "above the loader, Redis dead": (median(outcome.outage[DEAD]) - loader, MAX_OUTAGE_US * factor, "us"),
        "above the loader, Redis stopped": (
            median(outcome.outage[STOPPED]) - loader,
            MAX_OUTAGE_US * factor,
            "us",
        ),
    }
    for name, (first, second) in outcome.growth_mb.items():
        about = f"growth by {DISTINCT_KEYS[name]:,} {name}: {first:.0f} MB by the first half, by the second"
        found[about] = (second, first * MAX_GROWTH_SHARE, "MB")
    for name, (value, most, unit) in found.items():
        verdict = "kept" if value <= most else "MISSED"
        print(f"  {name}: {value:.1f} {unit}; budget {most:.1f} {unit}: {verdict}")
    return all(value <= most for value, most, _ in found.values())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_growth(sys.argv[1])
    else:
        sys.exit(0 if table(measure()) else 1)
