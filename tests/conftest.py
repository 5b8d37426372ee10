"""What every test of this repository needs.

The servers (`redis_url`, `postgres_url`, `sqlite_url`, `database_url`) come from the package's own pytest plugin, which
pytest loads by itself: `flask_backend_patterns/testing/plugin.py`.
"""
