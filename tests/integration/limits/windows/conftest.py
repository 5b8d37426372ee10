from functools import partial

import pytest

from tests.redis_commands import commands_sent


@pytest.fixture
def trips(redis_url):
    """A context manager that gives the commands which Redis was sent meanwhile, those inside of scripts left out."""
    return partial(commands_sent, redis_url)
