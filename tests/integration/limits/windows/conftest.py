from contextlib import contextmanager

import pytest
from redis import Redis


@pytest.fixture
def trips(redis_url):
    """A context manager that gives the commands which Redis was sent meanwhile, those inside of scripts left out."""

    @contextmanager
    def watched():
        seen = []
        with Redis.from_url(redis_url) as client, client.monitor() as monitor:
            yield seen
            client.echo("end of trips")
            while "end of trips" not in (command := monitor.next_command())["command"]:
                if command["client_type"] != "lua" and not command["command"].startswith(
                    ("CLIENT", "HELLO", "PING")
                ):
                    seen.append(command["command"].split()[0])

    return watched
