"""Families of refresh tokens: one is live, a spent one ends the family (RFC 9700, PITFALLS T1)."""

import json
from collections import Counter

import pytest

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.sessions import Device
from flask_backend_patterns.errors import InvalidTokenError

DEVICE = Device(user_agent="Firefox", address="192.0.2.1", name="laptop")


def refused(call, code="TOKEN_REVOKED"):
    with pytest.raises(InvalidTokenError) as caught:
        call()
    assert caught.value.code == code


def test_what_a_login_gives(make_parts):
    """Both tokens name user and session, only the access token carries roles; times come from Redis to the microsecond."""
    parts = make_parts()
    before = parts.client.time()
    pair = parts.tokens.issue("anna", roles=["a", "b", "a"], claims={"tenant": 7}, device=DEVICE)
    access, refresh = (
        parts.verifier.verify(pair.access_token),
        parts.verifier.verify(pair.refresh_token, token_type="refresh"),
    )
    assert access.subject == refresh.subject == "anna"
    assert access.session_id == refresh.session_id == pair.session_id
    assert access.token_id != refresh.token_id
    assert access.claims["roles"] == ["a", "b"]
    assert access.claims["fresh"] is True
    assert access.claims["tenant"] == 7
    assert "roles" not in refresh.claims
    assert access.claims["csrf"] == pair.csrf_access != pair.csrf_refresh == refresh.claims["csrf"]
    assert access.issued_at == refresh.issued_at == round(access.issued_at, 6)
    assert access.issued_at >= before[0] + before[1] / 1e6
    assert 900 <= access.expires_at - access.issued_at <= 901
    assert 604_800 <= refresh.expires_at - refresh.issued_at <= 604_801
    assert (pair.token_type, pair.expires_in, pair.refresh_expires_in) == ("Bearer", 900, 604_800)
    shown = repr(pair)
    assert pair.session_id in shown
    assert not any(secret in shown for secret in (pair.access_token, pair.refresh_token, pair.csrf_access))


def test_a_refresh_spends_the_token(make_parts):
    """Same session, new ids, today's roles, not fresh, the caller's claims kept; nobody else may use the old one."""
    parts = make_parts(refresh_grace_seconds=0)
    first = parts.tokens.issue("anna", roles=["a"], claims={"scope": "orders:read", "deep": {"x": [1]}})
    second = parts.refresh(first.refresh_token, roles=["b"])
    third = parts.refresh(second.refresh_token, roles=["b"])
    access = parts.verifier.verify(third.access_token)
    assert access.session_id == first.session_id
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert (access.claims["roles"], access.claims["fresh"]) == (["b"], False)
    assert (access.claims["scope"], access.claims["deep"]) == ("orders:read", {"x": [1]})
    refused(lambda: parts.refresh(first.refresh_token))


@pytest.mark.parametrize("token_of", ["first", "second"])
def test_a_token_that_was_spent_long_ago_ends_the_family(token_of, make_trusted, clock):
    """The live token dies with it, the access tokens too; the log says so without any token."""
    parts = make_trusted(clock=clock)
    pairs = {"first": parts.tokens.issue("anna", roles=[])}
    pairs["second"] = parts.refresh(pairs["first"].refresh_token)
    clock.now += 1
    pairs["third"] = parts.refresh(pairs["second"].refresh_token)
    assert not parts.is_revoked(pairs["third"].access_token)
    clock.now += 10
    refused(lambda: parts.refresh(pairs[token_of].refresh_token))
    refused(lambda: parts.refresh(pairs["third"].refresh_token))
    assert all(parts.is_revoked(pair.access_token) for pair in pairs.values())
    (logged,) = parts.log.named("auth.refresh_reused")
    assert logged == {"subject": "anna", "session": pairs["first"].session_id}


def test_within_the_grace_the_same_answer_comes_again(make_parts, clock):
    """Byte for byte, CSRF values and access token included: no second live token comes to be."""
    parts = make_parts(clock=clock)
    first = parts.tokens.issue("anna", roles=[])
    answers = []
    for seconds in (0, 1, 9, 9.999999):
        clock.now = 1_800_000_000 + seconds
        answers.append(parts.refresh(first.refresh_token))
    assert answers == [answers[0]] * 4
    clock.now = 1_800_000_010
    refused(lambda: parts.refresh(first.refresh_token))


def test_the_grace_is_for_the_last_spent_token_only(make_parts):
    """Two rotations back is reuse, however short ago."""
    parts = make_parts()
    first = parts.tokens.issue("anna", roles=[])
    second = parts.refresh(first.refresh_token)
    parts.refresh(second.refresh_token)
    refused(lambda: parts.refresh(first.refresh_token))


def test_ecdsa_signs_the_same_token_anew(make_parts):
    """Signatures hold a random number there: the claims are the same, and each of the answers counts."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )
    parts = make_parts(key={"JWT_ALGORITHM": "ES256", "JWT_PRIVATE_KEY": pem})
    first = parts.tokens.issue("anna", roles=[])
    one, two = parts.refresh(first.refresh_token), parts.refresh(first.refresh_token)
    claims = [parts.verifier.verify(pair.refresh_token, token_type="refresh").claims for pair in (one, two)]
    assert claims[0] == claims[1]
    assert parts.refresh(two.refresh_token).session_id == first.session_id


def test_expiry_slides_up_to_the_absolute_end(make_parts, clock):
    """Each refresh gives refresh_seconds more, but never past session_seconds after the login."""
    parts = make_parts(clock=clock, refresh_seconds=100, session_seconds=250, access_seconds=60)
    pair = parts.tokens.issue("anna", roles=[])
    lives = [pair.refresh_expires_in]
    for _ in range(3):
        clock.now += 80
        pair = parts.refresh(pair.refresh_token)
        lives.append(pair.refresh_expires_in)
    assert lives == [100, 100, 90, 10]
    assert (pair.expires_in, parts.verifier.verify(pair.access_token).expires_at) == (10, clock.now + 10)
    clock.now += 10
    refused(lambda: parts.refresh(pair.refresh_token), "TOKEN_EXPIRED")
    assert parts.store.list("anna") == ()


def test_unused_it_ends(make_parts, clock):
    """After refresh_seconds the store refuses by itself, whatever the token's `exp` says."""
    parts = make_parts(clock=clock, refresh_seconds=100)
    grant = parts.store.create(subject="anna")
    clock.now += 100
    refused(lambda: parts.store.rotate(subject="anna", session_id=grant.session_id, token_id=grant.token_id))


def test_a_user_who_is_gone_gets_nothing(make_parts):
    """None from roles_of is a 401, and the session is over also when the user comes back."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    refused(lambda: parts.refresh(pair.refresh_token, roles=None))
    refused(lambda: parts.refresh(pair.refresh_token))
    assert parts.is_revoked(pair.access_token)


def test_roles_that_cannot_be_read_spend_nothing(make_parts):
    """When the database fails, the same token works afterwards."""
    parts = make_parts(refresh_grace_seconds=0)
    pair = parts.tokens.issue("anna", roles=[])

    def fail(_):
        raise OSError

    with pytest.raises(OSError):
        parts.tokens.refresh(pair.refresh_token, roles_of=fail)
    assert parts.refresh(pair.refresh_token).session_id == pair.session_id


def test_an_access_token_refreshes_nothing(make_parts):
    """Nor does one without a session, or text."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    refused(lambda: parts.refresh(pair.access_token), "INVALID_TOKEN")
    refused(lambda: parts.refresh("x"), "INVALID_TOKEN")
    now = int(parts.verifier.verify(pair.access_token).issued_at)
    bare = {"sub": "anna", "type": "refresh", "iat": now, "exp": now + 60, "jti": "j"}
    refused(lambda: parts.refresh(parts.tokens._signer.sign(bare)), "INVALID_TOKEN")


@pytest.mark.parametrize("name", ["sub", "sid", "roles", "role", "exp", "csrf", "access_claims", "type"])
def test_claims_that_are_ours_are_refused(name, make_parts):
    """SetupError names them; nothing is stored."""
    parts = make_parts()
    with pytest.raises(SetupError, match=name):
        parts.tokens.issue("anna", roles=[], claims={name: 1})
    assert parts.client.keys("*") == []


@pytest.mark.parametrize("value", [object(), "x" * 10_000, {1, 2}], ids=["object", "too long", "set"])
def test_claims_that_cannot_be_signed_leave_no_session(value, make_parts):
    """ValueError, and the user's list shows no login that nobody has."""
    parts = make_parts()
    with pytest.raises(ValueError, match="claims"):
        parts.tokens.issue("anna", roles=[], claims={"x": value})
    assert parts.store.list("anna") == ()


def test_a_session_of_another_user_is_unknown(make_parts):
    """A token whose `sub` and `sid` do not belong together finds nothing, and ends nothing."""
    parts = make_parts()
    grant = parts.store.create(subject="anna")
    refused(lambda: parts.store.rotate(subject="bert", session_id=grant.session_id, token_id=grant.token_id))
    assert len(parts.store.list("anna")) == 1


@pytest.mark.parametrize("subject", ["1", "anna@example.org", "ünï 🦊", "{x}", "a:b*?[", "x" * 4_000, "\x00"])
def test_any_id_will_do(subject, make_parts):
    """No id of a user can reach the keys of another, or break a script; none is readable in the names of keys."""
    parts = make_parts()
    pair = parts.tokens.issue(subject, roles=["a"])
    assert [session.subject for session in parts.store.list(subject)] == [subject]
    if subject != "\x00":  # refused by the verifier
        assert parts.refresh(pair.refresh_token).session_id == pair.session_id
    parts.tokens.revoke_all(subject)
    assert parts.store.list(subject) == ()
    assert all(key.startswith(b"backend:auth:test:{") for key in parts.client.keys("*"))
    assert len({key.split(b"{")[1].split(b"}")[0] for key in parts.client.keys("*")}) == 1


def test_scripts_that_redis_forgot_are_sent_again(make_parts):
    """SCRIPT FLUSH between any two calls changes nothing."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    for _ in range(3):
        parts.client.script_flush()
        pair = parts.refresh(pair.refresh_token)
        parts.client.script_flush()
        assert len(parts.store.list("anna")) == 1
    parts.client.script_flush()
    assert parts.tokens.revoke(subject="anna", session_id=pair.session_id)


def test_data_that_is_lost_ends_sessions_but_no_access_tokens(make_trusted):
    """After FLUSHALL a refresh is a 401; access tokens count until they expire, as nothing says otherwise."""
    parts = make_trusted()
    pair = parts.tokens.issue("anna", roles=[])
    parts.client.flushall()
    refused(lambda: parts.refresh(pair.refresh_token))
    assert not parts.is_revoked(pair.access_token)
    assert parts.client.keys("*") == []


def test_nothing_is_kept_for_ever(make_parts):
    """Every key has an end, at most the longest that the settings allow."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[], device=DEVICE)
    pair = parts.refresh(pair.refresh_token)
    parts.store.create_cookie(subject="anna", roles=["a"])
    parts.store.revoke_token(subject="anna", token_id="j", seconds=5)
    parts.tokens.revoke(subject="anna", session_id=pair.session_id)
    parts.tokens.revoke_all("anna")
    parts.store.create(subject="anna")
    lives = {key.decode(): parts.client.ttl(key) for key in parts.client.keys("*")}
    assert len(lives) >= 6
    assert all(0 < seconds <= 7_776_000 for seconds in lives.values()), lives


@pytest.mark.parametrize("field", ["user_agent", "address", "name"])
def test_hostile_devices_are_stored_tamely(field, make_parts):
    """Cut, without control characters or halves of surrogates; quotes and braces stay text."""
    parts = make_parts()
    text = "\ud800\x1b[31m\n" + '{"a": "ü🦊"}' + "x" * 10_000
    parts.store.create(subject="anna", device=Device(**{field: text}))
    (session,) = parts.store.list("anna")
    kept = getattr(session.device, field)
    assert kept.startswith('[31m{"a": "ü🦊"}x')
    assert len(kept) <= 200
    assert kept.isprintable()


def test_a_thousand_refreshes_at_once_over_threads_and_processes(make_parts, make_process, module):
    """Everybody gets the same successor, the only live token; 500 in this process, 250 in each of two others."""
    parts = make_parts()
    pair = parts.tokens.issue("anna", roles=[])
    processes = [make_process() for _ in range(2)]
    for process in processes:
        process.send("burst", pair.refresh_token, 250, 10)
        outcomes = module.refresh_at_once(parts, pair.refresh_token, times=500, threads=20)
    for process in processes:
        outcomes += process.receive()
    assert len(outcomes) == 1_000
    (successor,) = set(outcomes)
    stored = parts.client.hgetall(parts.keys.of("anna").session(pair.session_id))
    live = parts.verifier.verify(successor, token_type="refresh")
    assert stored[b"token_id"].decode() == live.token_id
    assert parts.outcome(successor) != successor
    assert len(parts.store.list("anna")) == 1


def test_without_grace_exactly_one_wins(make_parts, make_process):
    """All others are told that the session has ended, which it has."""
    parts = make_parts(refresh_grace_seconds=0)
    pair = parts.tokens.issue("anna", roles=[])
    processes = [make_process(refresh_grace_seconds=0) for _ in range(2)]
    for process in processes:
        process.send("burst", pair.refresh_token, 100, 10)
    outcomes = [outcome for process in processes for outcome in process.receive()]
    counted = Counter("won" if outcome.count(".") == 2 else outcome for outcome in outcomes)
    assert counted == {"won": 1, "TOKEN_REVOKED": 199}
    (successor,) = (outcome for outcome in outcomes if outcome.count(".") == 2)
    assert parts.outcome(successor) == "TOKEN_REVOKED"


def test_a_replayed_token_ends_the_family_in_other_processes(make_trusted, make_process, wait_until):
    """The thief's access token is refused elsewhere within the milliseconds that the invalidation travels."""
    parts, process = make_trusted(refresh_grace_seconds=0), make_process(refresh_grace_seconds=0)
    wait_until(lambda: process.call("is_trusted"))
    victim = parts.tokens.issue("anna", roles=[])
    thief = parts.refresh(victim.refresh_token)
    assert process.call("is_revoked", thief.access_token) is False
    assert parts.outcome(victim.refresh_token) == "TOKEN_REVOKED"
    assert parts.is_revoked(thief.access_token)
    wait_until(lambda: process.call("is_revoked", thief.access_token))
    assert process.call("outcome", thief.refresh_token) == "TOKEN_REVOKED"


def test_messages_are_those_of_the_feed(make_parts):
    """What the scripts publish, the near cache's feed can read: a list of keys."""
    from flask_backend_patterns.cache import decode_keys

    parts = make_parts()
    with parts.client.pubsub() as listener:
        listener.subscribe("backend:auth:test")
        assert listener.get_message(timeout=60)["type"] == "subscribe"
        grant = parts.store.create(subject="anna")
        parts.store.revoke(subject="anna", session_id=grant.session_id)
        message = listener.get_message(timeout=60)["data"]
        of = parts.keys.of("anna")
        assert decode_keys(message) == (of.session(grant.session_id), of.revoked_session(grant.session_id))
        parts.store.revoke_all("anna")
        assert decode_keys(listener.get_message(timeout=60)["data"]) == (of.not_before,)
    assert json.loads(message)
