"""What every test of this repository needs.

The servers (`redis_url`, `postgres_url`, `sqlite_url`, `database_url`) come from the package's own pytest plugin, which
pytest loads by itself: `flask_backend_patterns/testing/plugin.py`.
"""

import gc

import pytest
from hypothesis import HealthCheck, settings

# The machine is shared, and a run says the same as the one before: no time limit, the same examples each time.
settings.register_profile(
    "shared_machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    database=None,
    print_blob=True,
)
settings.load_profile("shared_machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what was collected out of the garbage collector's sight.

    Thousands of tests are millions of objects, none of them garbage: each `gc.collect()` of a test would look through all
    of them, for a second and more, rather than through what tests have made.
    """
    gc.collect()
    gc.freeze()
