"""Runs the workload, prints its figures, and says whether the budgets are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from . import client
from .conformance import require_the_same
from .exchanges import CACHED, KINDS, NARROW
from .machine import servers, services

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .exchanges import Kind
    from .machine import Server

ROUNDS = 3
ENFORCED_TURNS = 5  # in each round
MAX_429_SHARE = 1 / 3  # of the request that it refuses
MAX_MEMORY_RATIO = 1.15
KIT, BY_HAND = "kit", "by_hand"
APPS = (BY_HAND, KIT)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One app, one kind of request: an entry for each round."""

    cpu_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured."""

    figures: dict[tuple[str, str], Figures]  # by app and kind
    resident_mb: dict[str, float]


def measure(rounds: int = ROUNDS) -> Outcome:
    """Check that both apps are the same, then measure them in turns.

    Each round has processes of its own: two of one app differ by up to a tenth, by where things lie in their memory.
    """
    tokens = client.Tokens()
    figures = {(app, kind.name): Figures() for app in APPS for kind in KINDS}
    resident: dict[str, list[float]] = {app: [] for app in APPS}
    with services() as around:
        for turn in range(rounds):
            with servers(APPS, around) as running:
                require_the_same({name: server.port for name, server in running.items()}, tokens)
                for kind in KINDS:
                    _measure_kind(running, kind, tokens, figures, APPS if turn % 2 else APPS[::-1])
                for name, server in running.items():
                    _require_access_log(name, server)
                    resident[name].append(server.resident_bytes() / 1e6)
    return Outcome(figures=figures, resident_mb={name: median(found) for name, found in resident.items()})


def _measure_kind(
    running: Mapping[str, Server],
    kind: Kind,
    tokens: client.Tokens,
    figures: Mapping[tuple[str, str], Figures],
    order: Sequence[str],
) -> None:
    requests = [client.as_bytes(kind.calls(number), tokens) for number in range(kind.requests)]
    for server in running.values():
        client.run(server.port, requests, kind.status)  # warm: every value is cached
    for turn in range(ENFORCED_TURNS if kind.enforced else 1):
        for app in order[:: -1 if turn % 2 else 1]:
            _measure_once(running[app], requests, kind, figures[app, kind.name])


def _measure_once(server: Server, requests: list[bytes], kind: Kind, into: Figures) -> None:
    before = server.cpu_seconds()
    load = client.run(server.port, requests, kind.status)
    into.cpu_us.append((server.cpu_seconds() - before) / len(requests) * 1e6)
    into.per_second.append(len(requests) / load.seconds)
    into.p50_ms.append(load.percentile(0.50))
    into.p99_ms.append(load.percentile(0.99))


def _require_access_log(name: str, server: Server) -> None:
    least = sum(kind.requests * (ENFORCED_TURNS if kind.enforced else 1) for kind in KINDS)
    with server.access_log.open("rb") as lines:
        written = sum(1 for _ in lines)
    if written < least:
        raise RuntimeError(f"{name} has written {written} lines of its access log for {least} requests")


def ratios(outcome: Outcome, kind: str) -> list[float]:
    """CPU time of the kit to that of the hand-wired app, of each round."""
    ours, theirs = outcome.figures[KIT, kind].cpu_us, outcome.figures[BY_HAND, kind].cpu_us
    return [own / other for own, other in zip(ours, theirs, strict=True)]


def table(outcome: Outcome) -> bool:
    """Print everything; whether the enforced budgets are kept."""
    rounds = len(outcome.figures[KIT, CACHED].cpu_us) // ENFORCED_TURNS
    print(f"\nThe workload, {client.CONNECTIONS} connections: CPU us a request, median of {rounds} rounds")
    print(
        f"  {'':<12}{'by hand':>9}{'kit':>9}  {'ratio (spread)':<17}   {'req/s':>15}   {'p50 ms':>13}   {'p99 ms':>13}"
    )
    kept = True
    for kind in KINDS:
        theirs, ours = (outcome.figures[app, kind.name] for app in APPS)
        of_rounds = ratios(outcome, kind.name)
        found = median(of_rounds)
        spread = f"{found:.2f} ({min(of_rounds):.2f}-{max(of_rounds):.2f})"
        print(
            f"  {kind.name:<12}{median(theirs.cpu_us):9.0f}{median(ours.cpu_us):9.0f}  {spread:<17}"
            f"   {median(theirs.per_second):7.0f} {median(ours.per_second):7.0f}"
            f"   {median(theirs.p50_ms):6.1f} {median(ours.p50_ms):6.1f}"
            f"   {median(theirs.p99_ms):6.1f} {median(ours.p99_ms):6.1f}   {_verdict(kind, found)}"
        )
        kept = kept and (not kind.enforced or kind.ratio is None or found <= kind.ratio)
    share = median(outcome.figures[KIT, NARROW].cpu_us) / median(outcome.figures[KIT, CACHED].cpu_us)
    memory = outcome.resident_mb[KIT] / outcome.resident_mb[BY_HAND]
    print(f"  a 429 to the cached item it refuses, kit: {share:.2f}; {_limit(MAX_429_SHARE, share)}")
    print(
        f"  memory: {outcome.resident_mb[BY_HAND]:.0f} and {outcome.resident_mb[KIT]:.0f} MB, ratio {memory:.2f}; "
        f"{_limit(MAX_MEMORY_RATIO, memory)} (later)"
    )
    return kept and share <= MAX_429_SHARE


def _verdict(kind: Kind, found: float) -> str:
    if kind.ratio is None:
        return ""
    return _limit(kind.ratio, found) + ("" if kind.enforced else " (later)")


def _limit(most: float, found: float) -> str:
    return f"budget {most:.2f}: {'kept' if found <= most else 'MISSED'}"
