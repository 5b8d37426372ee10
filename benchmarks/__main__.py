"""`make bench`: CPU time per request as a ratio to bare Flask, measured beside it."""

from __future__ import annotations

import sys
from statistics import median

from . import authorized, caching, dumping, in_process, over_granian, paging
from .apps import BARE
from .workload import figures as workload

# Issue and PERFORMANCE.md: the always-on parts add at most 40 us, and at most 0.8 of bare Flask's in-process time.
MAX_ADDED_US = 40.0
MAX_RATIO = 1.8


def table(title: str, figures: dict[str, list[float]]) -> dict[str, tuple[float, float]]:
    """Print a table; for each app the median of the differences to the base in us, and of the ratios, round by round."""
    print(f"\n{title}: CPU us a request, median (min to max) of {len(figures[BARE])} interleaved rounds")
    result = {}
    for name, values in figures.items():
        added = median(value - base for value, base in zip(values, figures[BARE], strict=True))
        ratio = median(value / base for value, base in zip(values, figures[BARE], strict=True))
        result[name] = (added, ratio)
        spread = f"{median(values):6.1f} ({min(values):.1f} to {max(values):.1f})"
        print(f"  {name:<22}{spread:<26}+{added:5.1f} us  x{ratio:.2f}")
    return result


def main() -> int:
    """Run all; 1 when a budget is missed."""
    added, ratio = table("In process", in_process.measure())["always-on parts"]
    table("Over granian, 1 worker, 16 connections", over_granian.measure())
    kept = added <= MAX_ADDED_US and ratio <= MAX_RATIO
    print(
        f"\nBudget, in process: at most +{MAX_ADDED_US:.0f} us and x{MAX_RATIO}: {'kept' if kept else 'MISSED'}"
    )
    kept = authorized.table(authorized.measure()) and kept
    kept = dumping.table(dumping.measure()) and kept
    kept = paging.table(paging.measure()) and kept
    kept = caching.table(caching.measure()) and kept
    kept = workload.table(workload.measure()) and kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
