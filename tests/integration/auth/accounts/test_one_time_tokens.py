"""Tokens that count once, on each database."""

import hashlib
import re
from collections import Counter

import pytest
from sqlalchemy import select

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.tables import ONE_TIME_TOKENS
from flask_backend_patterns.data import joined_session

NEVER_TOKENS = {
    "empty": "",
    "short": "a" * 42,
    "long": "a" * 44,
    "huge": "a" * 1_000_000,
    "nul": "\x00" * 43,
    "nul at the end": "a" * 43 + "\x00",
    "newline at the end": "a" * 43 + "\n",
    "unicode": "ä" * 43,
    "surrogate": "\ud800" * 43,
    "unknown": "a" * 43,
    "sql": "' OR 1=1 --" + "a" * 32,
}


def rows(app):
    with app.database.reading() as session:
        return session.execute(select(app.database.table(ONE_TIME_TOKENS))).all()


def failing(app, work):
    """Do the work in a transaction that is undone."""

    def run():
        with app.tokens.transaction():
            work()
            raise KeyError

    with pytest.raises(KeyError):
        run()


def test_a_token_gives_what_it_was_issued_for_exactly_once(app):
    """The first `consume` gets purpose, subject and data back; the second gets nothing."""
    token = app.tokens.issue("reset", "7", ttl_seconds=60, data={"new": "é\x00"})
    found = app.tokens.consume("reset", token)
    assert (found.purpose, found.subject, found.data) == ("reset", "7", {"new": "é\x00"})
    assert (found.created_at, found.expires_at) == (1_800_000_000, 1_800_000_060)
    assert app.tokens.consume("reset", token) is None


def test_only_a_hash_is_stored(app):
    """Who reads the table cannot use a token: it holds the SHA-256 of 256 random bits."""
    token = app.tokens.issue("reset", "7", ttl_seconds=60)
    (row,) = rows(app)
    assert token not in str(row)
    assert row.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) == 43


def test_finding_does_not_use_a_token_up(app):
    """`find` shows what `consume` would give and leaves it usable, for as long as the token lives."""
    token = app.tokens.issue("verify", "7", ttl_seconds=60)
    assert app.tokens.find("verify", token) == app.tokens.find("verify", token) is not None
    assert app.tokens.consume("verify", token) is not None
    assert app.tokens.find("verify", token) is None


@pytest.mark.parametrize("method", ["find", "consume"])
def test_a_token_counts_for_its_purpose_only(app, method):
    """A token to verify an address resets no password, and is not used up by the attempt."""
    token = app.tokens.issue("verify", "7", ttl_seconds=60)
    assert getattr(app.tokens, method)("reset", token) is None
    assert app.tokens.consume("verify", token) is not None


@pytest.mark.parametrize("method", ["find", "consume"])
def test_an_expired_token_does_not_count(app, clock, method):
    """It counts until the second before its expiry and not from it on."""
    token = app.tokens.issue("reset", "7", ttl_seconds=60)
    clock.now += 60
    assert getattr(app.tokens, method)("reset", token) is None
    clock.now -= 1
    assert getattr(app.tokens, method)("reset", token) is not None


def test_what_is_no_token_is_none(app):
    """No text that a request can bring is an error."""
    app.tokens.issue("reset", "7", ttl_seconds=60)
    for name, token in NEVER_TOKENS.items():
        assert app.tokens.find("reset", token) is None, name
        assert app.tokens.consume("reset", token) is None, name


def test_a_new_token_ends_the_older_one_of_its_purpose_and_subject(app):
    """Others live on: those of another purpose, and those of another subject."""
    old = app.tokens.issue("reset", "7", ttl_seconds=60)
    other_purpose = app.tokens.issue("verify", "7", ttl_seconds=60)
    other_subject = app.tokens.issue("reset", "8", ttl_seconds=60)
    new = app.tokens.issue("reset", "7", ttl_seconds=60)
    assert app.tokens.consume("reset", old) is None
    assert app.tokens.consume("reset", new).subject == "7"
    assert app.tokens.consume("verify", other_purpose).subject == "7"
    assert app.tokens.consume("reset", other_subject).subject == "8"


def test_revoking_ends_the_token(app):
    """It says whether there was one."""
    token = app.tokens.issue("reset", "7", ttl_seconds=60)
    assert not app.tokens.revoke("verify", "7")
    assert app.tokens.revoke("reset", "7")
    assert not app.tokens.revoke("reset", "7")
    assert app.tokens.consume("reset", token) is None


@pytest.mark.parametrize(
    ("purpose", "subject"),
    [("", "7"), ("Reset", "7"), ("x" * 51, "7"), ("reset", ""), ("reset", "x" * 256), ("reset", "\x00")],
)
def test_what_cannot_be_stored_is_refused_at_once(app, purpose, subject):
    """A purpose or subject that no column can hold is a fault in the program, and is said so."""
    with pytest.raises(SetupError):
        app.tokens.issue(purpose, subject, ttl_seconds=60)


def test_one_of_64_callers_in_two_processes_gets_the_token(app, burst):
    """32 threads in each of 2 processes consume one token: exactly one gets it, and nobody an error."""
    got = burst("consume", app.tokens.issue("reset", "7", ttl_seconds=2_000_000_000))
    assert Counter(got) == {"7": 1, None: 63}


def test_many_issues_at_once_leave_one_token(app, burst):
    """32 threads in each of 2 processes issue a token for one subject: one row is left, and its token was handed out."""
    got = burst("issue", "7")
    (row,) = rows(app)
    assert [token for token in got if not re.fullmatch(r"[A-Za-z0-9_-]{43}", token)] == []
    assert len(set(got)) == 64
    assert [token for token in got if hashlib.sha256(token.encode()).hexdigest() == row.token_hash] != []


def test_a_token_survives_when_the_rest_fails(app):
    """Within `transaction` the token is used up together with what it allowed, or not at all."""
    user = app.users.add(login="a@example.com", password_hash="old", is_verified=False, details={})
    token = app.tokens.issue("reset", user.auth_id, ttl_seconds=60)

    def change():
        assert app.tokens.consume("reset", token) is not None
        app.users.set_password_hash(user.auth_id, "new")

    failing(app, change)
    assert app.users.find_by_id(user.auth_id).auth_password_hash == "old"
    with app.tokens.transaction():
        assert app.tokens.consume("reset", token) is not None
        app.users.set_password_hash(user.auth_id, "new")
        assert app.users.find_by_id(user.auth_id).auth_password_hash == "new"
    assert app.users.find_by_id(user.auth_id).auth_password_hash == "new"
    assert app.tokens.consume("reset", token) is None


@pytest.mark.parametrize("fails", [False, True])
def test_the_session_of_the_app_is_in_the_transaction(app, fails):
    """What `db.session` writes inside is committed with the token; what it wrote before is committed in any case."""
    token = app.tokens.issue("reset", "1", ttl_seconds=60)
    app.db.session.add(app.User(email="before@example.com"))
    try:
        with app.tokens.transaction():
            app.tokens.consume("reset", token)
            app.db.session.add(app.User(email="inside@example.com"))
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    found = {
        login: app.users.find_by_login(f"{login}@example.com") is not None for login in ("before", "inside")
    }
    assert found == {"before": True, "inside": not fails}
    assert (app.tokens.find("reset", token) is not None) is fails


@pytest.mark.parametrize("fails", [False, True])
def test_a_transaction_within_a_transaction_is_a_part_of_it(app, fails):
    """The inner one can be undone alone; what it keeps is undone with the outer one."""
    first, second = (app.tokens.issue(purpose, "1", ttl_seconds=60) for purpose in ("one", "two"))

    def both():
        app.tokens.consume("one", first)
        try:
            with app.tokens.transaction():
                app.tokens.consume("two", second)
                if fails:
                    raise RuntimeError
        except RuntimeError:
            assert fails
        assert (app.tokens.find("two", second) is not None) is fails
        assert app.tokens.find("one", first) is None

    failing(app, both)
    assert app.tokens.find("one", first) is not None
    assert app.tokens.find("two", second) is not None


def test_issuing_is_a_part_of_the_open_transaction(app):
    """A token issued for a user who was not added after all does not exist."""

    def issue():
        token = app.tokens.issue("verify", "1", ttl_seconds=60)
        assert app.tokens.find("verify", token) is not None

    failing(app, issue)
    assert rows(app) == []


def test_a_joined_session_sees_the_transaction(app):
    """`joined_session` of the package works on the same transaction."""
    with app.tokens.transaction():
        app.tokens.issue("verify", "1", ttl_seconds=60)
        session = joined_session()
        assert len(session.execute(select(app.database.table(ONE_TIME_TOKENS))).all()) == 1
        session.close()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 500])
def test_purging_deletes_what_has_expired_and_nothing_else(app, clock, batch_size):
    """Whatever the size of a batch; it says how many."""
    for number in range(3):
        app.tokens.issue("reset", str(number), ttl_seconds=10)
    alive = app.tokens.issue("reset", "alive", ttl_seconds=60)
    clock.now += 10
    assert app.tokens.purge_expired(batch_size=batch_size) == 3
    assert app.tokens.purge_expired(batch_size=batch_size) == 0
    assert app.tokens.consume("reset", alive) is not None


def test_issuing_purges_now_and_then(app, clock):
    """Apps that schedule nothing keep a small table."""
    app.tokens.issue("reset", "1", ttl_seconds=10)
    clock.now += 61
    app.tokens.issue("reset", "2", ttl_seconds=10)
    assert [row.subject for row in rows(app)] == ["2"]


def test_a_missing_table_is_explained(account_app, empty_database_url):
    """The error says what to add, not what the driver said."""
    app = account_app.create_app(empty_database_url)
    with app.app_context():
        with pytest.raises(SetupError, match="auth_tables"):
            app.tokens.issue("reset", "1", ttl_seconds=10)
        app.db.engine.dispose()
