"""`python -m benchmarks.workload`: only the workload."""

from __future__ import annotations

import sys

from .figures import measure, table

if __name__ == "__main__":
    sys.exit(0 if table(measure()) else 1)
