"""Redis away: by killing it, and by letting it hang. The settings decide, and nobody waits."""

import statistics
import time

import pytest

from flask_backend_patterns.errors import CacheError, InvalidTokenError, ServiceUnavailableError

LIMIT_SECONDS = 0.3  # more than apps have: a machine that is busy is no outage
# What a busy machine needs besides. The first call waits for some time limits, the usual next one for none.
FIRST_SECONDS, NEXT_SECONDS = 10 * LIMIT_SECONDS, LIMIT_SECONDS / 3


def timed(call):
    began = time.perf_counter()
    try:
        answer = call()
    except (CacheError, ServiceUnavailableError) as error:
        answer = error
    return answer, time.perf_counter() - began


@pytest.fixture(params=["killed", "hung"])
def take_away(request, redis_server):
    return redis_server.kill if request.param == "killed" else redis_server.suspend


@pytest.mark.parametrize("policy", ["open", "closed"])
def test_access_tokens(policy, make_trusted, take_away, wait_until):
    """Open trusts them until they expire, closed is a 503; what is known to be revoked stays so; the time is bounded."""
    parts = make_trusted(timeout_seconds=LIMIT_SECONDS, access_outage=policy)
    good, bad, unseen = (parts.tokens.issue("anna", roles=[]) for _ in range(3))
    assert not parts.is_revoked(good.access_token)
    parts.tokens.revoke(subject="anna", session_id=bad.session_id)
    take_away()
    wait_until(lambda: not parts.feed.is_trusted)
    answer, seconds = timed(lambda: parts.is_revoked(unseen.access_token))
    assert seconds < FIRST_SECONDS
    answers, times = zip(
        *(timed(lambda: parts.is_revoked(good.access_token)) for _ in range(50)), strict=True
    )
    assert statistics.median(times) < NEXT_SECONDS
    for found in (answer, *answers):
        assert (found is False) if policy == "open" else isinstance(found, ServiceUnavailableError)
    assert parts.is_revoked(bad.access_token)


def test_what_was_known_before_stays_known_without_its_writer(
    make_trusted, make_process, take_away, wait_until
):
    """A process that has only read the revocation refuses during the outage, also after its cache was emptied."""
    parts, other = make_trusted(timeout_seconds=LIMIT_SECONDS), make_trusted(timeout_seconds=LIMIT_SECONDS)
    pair, all_of_bert = parts.tokens.issue("anna", roles=[]), parts.tokens.issue("bert", roles=[])
    parts.tokens.revoke(subject="anna", session_id=pair.session_id)
    parts.tokens.revoke_all("bert")
    wait_until(lambda: other.is_revoked(pair.access_token) and other.is_revoked(all_of_bert.access_token))
    take_away()
    wait_until(lambda: not other.feed.is_trusted)
    other.cache._forget(None)
    assert other.is_revoked(pair.access_token)
    assert other.is_revoked(all_of_bert.access_token)


@pytest.mark.parametrize("call", ["refresh", "issue", "revoke", "revoke_all", "revoke_token", "list"])
def test_what_writes_is_refused_in_time(call, make_parts, take_away):
    """503 with Retry-After, a time limit at first, no wait then; a logout that cannot be written is not called one."""
    parts = make_parts(timeout_seconds=LIMIT_SECONDS)
    pair = parts.tokens.issue("anna", roles=[])
    calls = {
        "refresh": lambda: parts.refresh(pair.refresh_token),
        "issue": lambda: parts.tokens.issue("anna", roles=[]),
        "revoke": lambda: parts.tokens.revoke(subject="anna", session_id=pair.session_id),
        "revoke_all": lambda: parts.tokens.revoke_all("anna"),
        "revoke_token": lambda: parts.tokens.revoke_token(pair.access_token),
        "list": lambda: parts.store.list("anna"),
    }
    take_away()
    error, seconds = timed(calls[call])
    assert isinstance(error, CacheError | ServiceUnavailableError)
    assert error.status == 503
    assert "Retry-After" in error.headers
    assert seconds < FIRST_SECONDS
    assert statistics.median(timed(calls[call])[1] for _ in range(20)) < NEXT_SECONDS


def test_open_refreshes_give_access_tokens_only(make_parts, take_away, redis_server, wait_until):
    """Same refresh token, dated like it, the caller's claims kept; after the outage rotation goes on."""
    parts = make_parts(timeout_seconds=LIMIT_SECONDS, refresh_outage="open", refresh_grace_seconds=0)
    first = parts.tokens.issue("anna", roles=["a"], claims={"scope": "orders:read"})
    take_away()
    pair = parts.refresh(first.refresh_token, roles=["b"])
    assert pair.refresh_token == first.refresh_token
    assert pair.csrf_refresh == first.csrf_refresh
    old, new = parts.verifier.verify(first.access_token), parts.verifier.verify(pair.access_token)
    assert (new.claims["roles"], new.claims["scope"], new.claims["fresh"]) == (["b"], "orders:read", False)
    assert new.issued_at == old.issued_at
    assert new.session_id == old.session_id
    assert new.token_id != old.token_id
    assert new.claims["csrf"] == pair.csrf_access != first.csrf_access
    assert pair.expires_in == 900
    assert parts.refresh(first.refresh_token, roles=["b"]).access_token != pair.access_token


def test_open_refreshes_know_what_is_revoked(make_parts, take_away):
    """A session that this process ended gives nothing during the outage; nor does a user who is gone."""
    parts = make_parts(timeout_seconds=LIMIT_SECONDS, refresh_outage="open")
    ended, everywhere, gone = (parts.tokens.issue(name, roles=[]) for name in ("anna", "bert", "carl"))
    parts.tokens.revoke(subject="anna", session_id=ended.session_id)
    parts.tokens.revoke_all("bert")
    take_away()
    for pair in (ended, everywhere):
        assert parts.outcome(pair.refresh_token) == "TOKEN_REVOKED"
    with pytest.raises(InvalidTokenError):
        parts.refresh(gone.refresh_token, roles=None)
    assert parts.log.named("auth.session_not_ended")


def test_it_recovers_by_itself(make_trusted, redis_server, wait_until):
    """After a hang everything works on, without a restart of anything; a session ended elsewhere meanwhile is refused."""
    parts = make_trusted(timeout_seconds=LIMIT_SECONDS)
    pair = parts.tokens.issue("anna", roles=[])
    redis_server.suspend()
    wait_until(lambda: not parts.feed.is_trusted)
    assert not parts.is_revoked(pair.access_token)
    redis_server.resume()
    wait_until(lambda: parts.feed.is_trusted)

    def can_refresh():
        try:
            return parts.store.list("anna")
        except CacheError:
            return ()

    wait_until(can_refresh)
    assert parts.refresh(pair.refresh_token).session_id == pair.session_id
