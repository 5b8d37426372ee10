"""Logging out everywhere else: one session goes on with its tokens, everything else of the user is refused."""

import pytest


def loose_token(parts, **claims):
    """One that belongs to no session."""
    now = parts.client.time()[0]
    return parts.tokens._signer.sign(
        {"sub": "anna", "iat": now - 1, "exp": now + 600, "type": "access"} | claims
    )


def test_tokens_without_a_session_end_with_the_others(make_trusted, make_process, wait_until):
    """In every process; tokens that are made later count."""
    parts, process = make_trusted(), make_process()
    wait_until(lambda: process.call("is_trusted"))
    kept, other = (parts.tokens.issue("anna", roles=[]) for _ in range(2))
    loose, foreign = loose_token(parts, jti="1"), loose_token(parts, jti="2", sid="of another issuer")
    assert [process.call("is_revoked", one) for one in (kept.access_token, loose, foreign)] == [False] * 3
    parts.tokens.revoke_all("anna", keep=kept.session_id)
    wait_until(lambda: process.call("is_revoked", loose) and process.call("is_revoked", foreign))
    for ask in (parts.is_revoked, lambda token: process.call("is_revoked", token)):
        assert [ask(one) for one in (kept.access_token, other.access_token, loose)] == [False, True, True]
    assert not parts.is_revoked(parts.refresh(kept.refresh_token).access_token)
    assert not parts.is_revoked(parts.tokens.issue("anna", roles=[]).access_token)


def test_a_session_of_another_issuer_is_kept_too(make_trusted):
    """The caller's token names a session that is not in this store."""
    parts = make_trusted()
    mine, other = loose_token(parts, sid="mine"), loose_token(parts, sid="other")
    parts.tokens.revoke_all("anna", keep="mine")
    assert [parts.is_revoked(token) for token in (mine, other)] == [False, True]


@pytest.mark.parametrize("standing", [True, False], ids=["clock stands", "clock goes"])
def test_a_session_is_kept_until_the_next_end_of_all(make_trusted, clock, standing):
    """Kept once, and again; then another one is kept, then none: also in the same microsecond."""
    parts = make_trusted(clock=clock)
    first = parts.tokens.issue("anna", roles=[])
    for _ in range(2):
        clock.now += 0 if standing else 1
        parts.tokens.revoke_all("anna", keep=first.session_id)
        assert not parts.is_revoked(first.access_token)
    second = parts.tokens.issue("anna", roles=[])
    clock.now += 0 if standing else 1
    parts.tokens.revoke_all("anna", keep=second.session_id)
    assert [parts.is_revoked(pair.access_token) for pair in (first, second)] == [True, False]
    clock.now += 0 if standing else 1
    parts.tokens.revoke_all("anna")
    assert parts.is_revoked(second.access_token)
    assert {parts.outcome(pair.refresh_token) for pair in (first, second)} == {"TOKEN_REVOKED"}


@pytest.mark.parametrize("standing", [True, False], ids=["clock stands", "clock goes"])
def test_a_kept_cookie_session_goes_on(make_parts, clock, standing):
    """It never gets a later time of issue: it is listed and counts until it is not kept."""
    parts = make_parts(clock=clock)
    session, cookie = parts.store.create_cookie(subject="anna", roles=["a"])
    _, other = parts.store.create_cookie(subject="anna", roles=["a"])
    for _ in range(2):
        clock.now += 0 if standing else 1
        parts.store.revoke_all("anna", keep=session.id)
        assert parts.store.touch(cookie).id == session.id
        assert parts.store.touch(other) is None
        assert [item.id for item in parts.store.list("anna")] == [session.id]
    clock.now += 0 if standing else 1
    parts.client.delete(parts.keys.of("anna").index)  # so that only the time ends it
    parts.store.revoke_all("anna")
    assert parts.store.touch(cookie) is None


def test_a_session_that_the_index_lost_ends_with_the_others(make_parts):
    """Redis may evict the index of a user."""
    parts = make_parts()
    kept, lost = (parts.tokens.issue("anna", roles=[]) for _ in range(2))
    _, cookie = parts.store.create_cookie(subject="anna", roles=["a"])
    parts.client.delete(parts.keys.of("anna").index)
    parts.tokens.revoke_all("anna", keep=kept.session_id)
    assert parts.outcome(lost.refresh_token) == "TOKEN_REVOKED"
    assert parts.store.touch(cookie) is None
    assert parts.refresh(kept.refresh_token).session_id == kept.session_id


def test_keeping_does_not_bring_an_ended_session_back(make_trusted):
    """Who changes a password with a token of a session that is over meanwhile keeps nothing."""
    parts = make_trusted()
    pair = parts.tokens.issue("anna", roles=[])
    parts.tokens.revoke(subject="anna", session_id=pair.session_id)
    parts.tokens.revoke_all("anna", keep=pair.session_id)
    assert parts.is_revoked(pair.access_token)
    assert parts.outcome(pair.refresh_token) == "TOKEN_REVOKED"


def test_what_is_kept_is_known_while_redis_is_away(make_trusted, redis_server):
    """The process that did it refuses the others and lets the kept session pass."""
    parts = make_trusted()
    kept, other = (parts.tokens.issue("anna", roles=[]) for _ in range(2))
    loose = loose_token(parts, jti="1")
    parts.tokens.revoke_all("anna", keep=kept.session_id)
    redis_server.stop()
    asked = [parts.is_revoked(token) for token in (kept.access_token, other.access_token, loose)]
    assert asked == [False, True, True]
