"""Logging out: one session, another one, everywhere; who learns of it, and when (PITFALLS T2, T3)."""

import threading

import pytest

from flask_backend_patterns.errors import InvalidTokenError


def commands(parts):
    """How many commands Redis has run that a look-up could have sent."""
    stats = parts.client.info("commandstats")
    names = ("cmdstat_mget", "cmdstat_get", "cmdstat_evalsha", "cmdstat_hmget", "cmdstat_exists")
    return {name: stats[name]["calls"] for name in names if name in stats}


def test_steady_state_costs_no_round_trip(make_trusted):
    """The first look at a session is one MGET for session and user together, the next 1,000 are none."""
    parts = make_trusted()
    pair = parts.tokens.issue("anna", roles=[])
    before = commands(parts)
    assert not parts.is_revoked(pair.access_token)
    assert commands(parts) == {**before, "cmdstat_mget": before.get("cmdstat_mget", 0) + 1}
    for _ in range(1_000):
        assert not parts.is_revoked(pair.access_token)
    assert commands(parts) == {**before, "cmdstat_mget": before.get("cmdstat_mget", 0) + 1}


def test_a_second_session_of_a_known_user_is_one_round_trip_too(make_trusted):
    """The user is known, the session is looked up; each revocation is found where it belongs."""
    parts = make_trusted()
    one, two = (parts.tokens.issue("anna", roles=[]) for _ in range(2))
    assert not parts.is_revoked(one.access_token)
    assert not parts.is_revoked(two.access_token)
    assert parts.tokens.revoke(subject="anna", session_id=one.session_id)
    assert parts.is_revoked(one.access_token)
    assert not parts.is_revoked(two.access_token)
    assert parts.refresh(two.refresh_token).session_id == two.session_id


def test_a_logout_counts_in_other_processes(make_trusted, make_process, wait_until):
    """Known there before: refused within milliseconds."""
    parts, process = make_trusted(), make_process()
    wait_until(lambda: process.call("is_trusted"))
    pair = parts.tokens.issue("anna", roles=[])
    assert process.call("is_revoked", pair.access_token) is False
    parts.tokens.revoke(subject="anna", session_id=pair.session_id)
    assert parts.is_revoked(pair.access_token)
    wait_until(lambda: process.call("is_revoked", pair.access_token))
    assert process.call("outcome", pair.refresh_token) == "TOKEN_REVOKED"


def test_log_out_everywhere(make_trusted, make_process, wait_until):
    """All sessions and tokens of the user until now, in every process; other users and later logins are untouched."""
    parts, process = make_trusted(), make_process()
    wait_until(lambda: process.call("is_trusted"))
    old = [parts.tokens.issue("anna", roles=[]) for _ in range(3)]
    bert = parts.tokens.issue("bert", roles=[])
    assert [process.call("is_revoked", pair.access_token) for pair in (*old, bert)] == [False] * 4
    assert parts.tokens.revoke_all("anna") == 3
    wait_until(lambda: all(process.call("is_revoked", pair.access_token) for pair in old))
    new = parts.tokens.issue("anna", roles=[])
    for other in (new, bert):
        assert not parts.is_revoked(other.access_token)
        assert process.call("is_revoked", other.access_token) is False
    assert {parts.outcome(pair.refresh_token) for pair in old} == {"TOKEN_REVOKED"}
    assert [session.id for session in parts.store.list("anna")] == [new.session_id]


@pytest.mark.parametrize("later", [0, -0.000001, -15], ids=["same microsecond", "one back", "15 s back"])
def test_one_clock_and_an_order_decide(later, make_trusted, clock):
    """Before is refused and after is not, although the clock stands still or was set back; by the time of issue alone."""
    parts = make_trusted(clock=clock)

    def is_too_old(pair):
        issued_at = parts.verifier.verify(pair.access_token).issued_at
        return parts.revocations.is_revoked(
            subject="anna", session_id=None, token_id=None, issued_at=issued_at
        )

    before = parts.tokens.issue("anna", roles=[])
    for _ in range(3):
        clock.now += later
        parts.tokens.revoke_all("anna")
        assert is_too_old(before)
        assert parts.is_revoked(before.access_token)
        after = parts.tokens.issue("anna", roles=[])
        assert not parts.is_revoked(after.access_token)
        after = parts.refresh(after.refresh_token)
        assert not is_too_old(after)
        assert not parts.is_revoked(after.access_token)
        before = after


def test_logins_at_the_time_of_logging_out_everywhere(make_trusted):
    """8 threads log in while it happens 50 times: what is refused and what is not agrees with what is listed."""
    parts = make_trusted(max_sessions=100_000)
    pairs, over = [], threading.Event()

    def log_in():
        while not over.is_set():
            pairs.append(parts.tokens.issue("anna", roles=[]))

    threads = [threading.Thread(target=log_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        parts.tokens.revoke_all("anna")
    over.set()
    for thread in threads:
        thread.join()
    listed = {session.id for session in parts.store.list("anna")}
    alive = {pair.session_id for pair in pairs if not parts.is_revoked(pair.access_token)}
    assert alive == listed
    assert len(pairs) > len(alive)


def test_all_but_one(make_trusted):
    """After a change of the password the session that did it goes on; its tokens count."""
    parts = make_trusted()
    kept, *others = (parts.tokens.issue("anna", roles=[]) for _ in range(4))
    assert parts.tokens.revoke_all("anna", keep=kept.session_id) == 3
    assert not parts.is_revoked(kept.access_token)
    assert all(parts.is_revoked(pair.access_token) for pair in others)
    assert parts.refresh(kept.refresh_token).session_id == kept.session_id


@pytest.mark.parametrize("times", [1, 2])
def test_logging_out_may_be_done_again(times, make_parts):
    """No error for a session that is over, or never was; the answer says whether there was one."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    found = [parts.tokens.revoke(subject="anna", session_id=pair.session_id) for _ in range(times)]
    assert found == [True, False][:times]
    parts.tokens.revoke_all("nobody")
    assert parts.tokens.revoke(subject="anna", session_id="unknown") is False


def test_ids_from_clients_write_nothing_unless_they_exist(make_parts):
    """`known_only`: another user's session stays, invented ones leave nothing in Redis."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    size = parts.client.dbsize()
    for session_id in (pair.session_id, "x", "x" * 1_000, "\x00", "{a}", "*"):
        assert parts.tokens.revoke(subject="bert", session_id=session_id, known_only=True) is False
    assert parts.client.dbsize() == size
    assert not parts.is_revoked(pair.access_token)
    assert parts.tokens.revoke(subject="anna", session_id=pair.session_id, known_only=True) is True
    assert parts.is_revoked(pair.access_token)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("seconds", [0, 901, 604_900], ids=["fresh", "access expired", "both expired"])
def test_any_token_of_ours_ends_its_session(kind, seconds, make_parts, clock):
    """Also an expired one, and twice: who comes back after a break and logs out wants the session to end (RFC 7009)."""
    parts = make_parts(clock=clock)
    pair = parts.tokens.issue("anna", roles=[])
    clock.now += seconds
    assert parts.tokens.revoke_token(getattr(pair, kind)) is True
    assert parts.tokens.revoke_token(getattr(pair, kind)) is True
    assert parts.store.list("anna") == ()
    with pytest.raises(InvalidTokenError):
        parts.refresh(pair.refresh_token)


def test_forged_tokens_end_nothing(make_parts, module):
    """Another key, a changed payload, no token at all: False, no error, and the session lives."""
    parts = make_parts()
    other = make_parts(key={"JWT_SECRET_KEY": "o" * 32})
    pair = parts.tokens.issue("anna", roles=[])
    claims = parts.verifier.verify(pair.access_token).claims
    header, payload, signature = pair.access_token.split(".")
    forged = [
        other.tokens._signer.sign(claims),
        f"{header}.{payload[:-2]}AA.{signature}",
        f"{header}.{payload}.",
        "",
        "x",
        "a.b.c",
        "\ud800",
        "x" * 100_000,
    ]
    size = parts.client.dbsize()
    assert [parts.tokens.revoke_token(token) for token in forged] == [False] * len(forged)
    assert parts.client.dbsize() == size
    assert not parts.is_revoked(pair.access_token)


def test_a_token_without_a_session_is_revoked_by_itself(make_trusted):
    """As Flask-JWT-Extended makes them: for the rest of its life, other tokens of the user count on."""
    parts = make_trusted()
    now = parts.client.time()[0]
    make = lambda **more: parts.tokens._signer.sign({"sub": "anna", "iat": now, "type": "access", **more})
    one, two = make(jti="1", exp=now + 60), make(jti="2", exp=now + 60)
    assert not parts.is_revoked(one)
    assert parts.tokens.revoke_token(one)
    assert parts.is_revoked(one)
    assert not parts.is_revoked(two)
    key = parts.keys.of("anna").revoked_token("1")
    assert 50 < parts.client.ttl(key) <= 60
    assert parts.tokens.revoke_token(make(jti="3", exp=now - 5))
    assert parts.client.exists(parts.keys.of("anna").revoked_token("3")) == 0
    assert parts.tokens.revoke_token(make(exp=now + 60)) is False
    assert parts.tokens.revoke_token(make(jti="4", exp=253_402_300_799))
    parts.tokens.revoke_all("anna")
    assert parts.is_revoked(two)


def test_a_record_lives_as_long_as_the_access_tokens(make_parts):
    """No shorter than what access_seconds and the rounding of `exp` allow, and not much longer."""
    parts = make_parts(access_seconds=300)
    pair = parts.tokens.issue("anna", roles=[])
    parts.tokens.revoke(subject="anna", session_id=pair.session_id)
    remaining = parts.verifier.verify(pair.access_token).expires_at - parts.client.time()[0]
    life = parts.client.pttl(parts.keys.of("anna").revoked_session(pair.session_id)) / 1000
    assert remaining - 1 <= life <= 301


def test_a_session_id_of_another_user_is_another_session(make_trusted):
    """Foreign issuers may use `sid` for what they like: the same one for two users is two entries."""
    parts = make_trusted()
    ask = lambda subject: parts.revocations.is_revoked(
        subject=subject, session_id="5", token_id="5", issued_at=parts.client.time()[0] + 1
    )
    assert not ask("anna")
    assert not ask("bert")
    parts.tokens.revoke(subject="anna", session_id="5")
    assert ask("anna")
    assert not ask("bert")


def test_the_list(make_parts, clock):
    """The one used last comes first, with its times and its device; the current one is marked."""
    parts = make_parts(clock=clock)
    first = parts.tokens.issue("anna", roles=[])
    clock.now += 10
    second = parts.tokens.issue("anna", roles=[])
    clock.now += 10
    parts.refresh(first.refresh_token)
    one, two = parts.store.list("anna", current_id=second.session_id)
    assert (one.id, one.is_current, two.id, two.is_current) == (
        first.session_id,
        False,
        second.session_id,
        True,
    )
    stamps = [moment.timestamp() for moment in (one.created_at, one.last_used_at, one.expires_at)]
    assert stamps == [1_800_000_000, 1_800_000_020, 1_800_000_020 + 604_800]
    assert (one.subject, one.kind, one.created_at.utcoffset().total_seconds()) == ("anna", "tokens", 0)
    clock.now += 604_795
    assert [session.id for session in parts.store.list("anna")] == [first.session_id]
    assert parts.store.list("bert") == ()


def test_a_user_has_so_many_sessions_at_most(make_trusted):
    """The one unused for longest ends, its tokens with it; one that was refreshed meanwhile stays."""
    parts = make_trusted(max_sessions=3)
    pairs = [parts.tokens.issue("anna", roles=[]) for _ in range(3)]
    parts.refresh(pairs[0].refresh_token)
    assert not parts.is_revoked(pairs[1].access_token)
    pairs.append(parts.tokens.issue("anna", roles=[]))
    listed = [session.id for session in parts.store.list("anna")]
    assert listed == [pairs[number].session_id for number in (3, 0, 2)]
    assert parts.outcome(pairs[1].refresh_token) == "TOKEN_REVOKED"
    assert parts.is_revoked(pairs[1].access_token)


def test_sessions_that_are_over_make_room(make_parts, clock):
    """They do not count against the bound, also when they were used later: nobody alive is thrown out for them."""
    parts = make_parts(clock=clock, max_sessions=2, refresh_seconds=1_000, session_idle_seconds=100)
    alive = parts.tokens.issue("anna", roles=[])
    clock.now += 60
    parts.store.create_cookie(subject="anna", roles=[])
    clock.now += 200
    parts.tokens.issue("anna", roles=[])
    assert alive.session_id in {session.id for session in parts.store.list("anna")}


def test_one_user_may_log_in_from_many_places_at_once(make_parts):
    """400 logins by 8 threads: never more than the bound, and each that is listed can be refreshed."""
    parts = make_parts(max_sessions=10)
    pairs = []

    def log_in():
        pairs.extend(parts.tokens.issue("anna", roles=[]) for _ in range(50))

    threads = [threading.Thread(target=log_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = {session.id for session in parts.store.list("anna")}
    assert len(listed) == 10
    alive = {pair.session_id for pair in pairs if parts.outcome(pair.refresh_token) != "TOKEN_REVOKED"}
    assert alive == listed
    sessions = [key for key in parts.client.keys("*") if b":session:" in key]
    assert len(sessions) == 10


def test_a_session_that_the_index_lost_ends_too(make_parts):
    """Redis may evict the index of a user: "log out everywhere" does not depend on it."""
    parts = make_parts()
    grant = parts.store.create(subject="anna")
    _, cookie = parts.store.create_cookie(subject="anna", roles=["a"])
    parts.client.delete(parts.keys.of("anna").index)
    assert parts.store.revoke_all("anna") == 0
    assert parts.store.touch(cookie) is None
    with pytest.raises(InvalidTokenError):
        parts.store.rotate(subject="anna", session_id=grant.session_id, token_id=grant.token_id)


def test_the_list_shows_nothing_from_before(make_parts):
    """Not even when the index has it again."""
    parts = make_parts()
    grant = parts.store.create(subject="anna")
    of = parts.keys.of("anna")
    parts.client.delete(of.index)
    parts.store.revoke_all("anna")
    parts.client.zadd(of.index, {grant.session_id: 1})
    assert parts.store.list("anna") == ()
