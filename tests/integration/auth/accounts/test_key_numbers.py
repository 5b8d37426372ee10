"""How many API keys an owner may have: exactly 50 that count, however they are asked for."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from flask_backend_patterns import ConflictError
from flask_backend_patterns.auth.api_keys import ApiKeys
from flask_backend_patterns.auth.api_keys.keys import MAX_KEYS


@pytest.fixture
def keys(app, clock):
    return ApiKeys(app.database, prefix="bk", log=app.log, clock=clock)


def test_keys_that_no_longer_count_make_room(keys, clock):
    """Expired and revoked ones; others have room of their own."""
    now = datetime.fromtimestamp(clock.now, UTC)
    keys.create("anna", name="soon", expires_at=now + timedelta(seconds=60))
    made = [keys.create("anna", name="long").api_key for _ in range(MAX_KEYS - 1)]
    for _ in range(2):
        with pytest.raises(ConflictError, match="50 API keys"):
            keys.create("anna", name="more")
    keys.create("bert", name="his")
    assert keys.revoke("anna", made[0].id)
    keys.create("anna", name="instead")
    clock.now += 60
    keys.create("anna", name="instead of the expired one")
    with pytest.raises(ConflictError):
        keys.create("anna", name="more")


@pytest.mark.parametrize("before", [0, MAX_KEYS - 3])
def test_many_at_once_get_exactly_the_room(app, keys, before):
    """Ten threads, some of which find none: 50 in all. With none to begin with, all ten."""
    for _ in range(before):
        keys.create("anna", name="before")
    start, got = threading.Barrier(10), []

    def run():
        with app.app_context():
            start.wait(60)
            try:
                keys.create("anna", name="at once")
                got.append("made")
            except ConflictError:
                got.append("refused")

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got.count("made") == min(10, MAX_KEYS - before)
    assert len(got) == 10
    assert len(keys.list("anna")) == min(before + 10, MAX_KEYS)
