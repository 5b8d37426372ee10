"""Records of revocations outlive the tokens that they concern."""

from datetime import timedelta

import pytest
from flask import Flask
from redis import Redis

from flask_backend_patterns import BackendPatterns, issue_tokens, revoke_tokens

DAY = 86_400


def lives(redis_url, **config):
    """Seconds that are left of (the end of all tokens of a user, the end of one session)."""
    app = Flask("lives")
    app.config.update(
        JWT_SECRET_KEY="a secret of more than 32 bytes, for tests",
        BACKEND_REDIS_URL=redis_url,
        BACKEND_REDIS_TIMEOUT_SECONDS=20,
        **config,
    )
    BackendPatterns().init_app(app)
    with app.app_context(), Redis.from_url(redis_url) as redis:
        session_id = issue_tokens("7", roles=[]).session_id
        revoke_tokens(user_id="7", session_id=session_id)
        revoke_tokens(user_id="7")
        (not_before,) = redis.keys("*not_before")
        (ended,) = redis.keys(f"*revoked:s:{session_id}")
        return redis.ttl(not_before), redis.ttl(ended)


@pytest.mark.parametrize(
    ("config", "at_least"),
    [
        ({}, 30 * DAY),  # what Flask-JWT-Extended gives a refresh token by default
        ({"JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=60)}, 60 * DAY),
        ({"JWT_ACCESS_TOKEN_EXPIRES": 90 * DAY}, 90 * DAY),
        ({"JWT_ACCESS_TOKEN_EXPIRES": False}, 3_600 * DAY),
        ({"JWT_REFRESH_TOKEN_EXPIRES": 60, "JWT_ACCESS_TOKEN_EXPIRES": 60}, 7 * DAY),
    ],
)
def test_the_end_of_all_tokens_is_remembered_as_long_as_any_may_live(redis_url, config, at_least):
    """Ours and those that the app makes by Flask-JWT-Extended."""
    not_before, _ = lives(redis_url, **config)
    assert not_before >= at_least - 5


@pytest.mark.parametrize(("outage", "at_least"), [("closed", 900), ("open", 7 * DAY)])
def test_the_end_of_a_session_is_remembered_as_long_as_it_can_give_tokens(redis_url, outage, at_least):
    """An open outage may give an access token for a refresh token that was revoked long before."""
    _, ended = lives(redis_url, BACKEND_AUTH_REFRESH_OUTAGE=outage)
    assert at_least - 5 <= ended <= at_least + 60
