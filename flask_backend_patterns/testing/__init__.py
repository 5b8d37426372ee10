"""Real servers for tests: a pytest plugin, loaded by itself once the package is installed.

See `plugin` for the fixtures, `redis_server` and `postgres_server` for the objects they give.
Importing this package imports none of the drivers and starts nothing.
"""
