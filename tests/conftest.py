"""What every test of this repository needs.

The servers (`redis_url`, `postgres_url`, `sqlite_url`, `database_url`) come from the package's own pytest plugin, which
pytest loads by itself: `flask_backend_patterns/testing/plugin.py`.
"""

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
