"""API keys: made, shown once, listed, used, revoked; on each database."""

import dataclasses
import hashlib
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import create_engine, event, select, text, update

from flask_backend_patterns import InvalidTokenError, ValidationError
from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns.auth.api_keys import ApiKeyAuthenticator, ApiKeys, KeyText
from flask_backend_patterns.auth.api_keys.last_use import LastUse
from flask_backend_patterns.auth.permissions import NO_PERMISSIONS, Reach
from flask_backend_patterns.auth.roles import Roles
from flask_backend_patterns.auth.tables import API_KEYS
from flask_backend_patterns.auth.users import Users
from flask_backend_patterns.cache.backends.redis_feed import RedisFeed
from flask_backend_patterns.cache.near_cache import NearCache

ROLES = {"support": ["orders:*", "users:read"], "admin": {"permissions": ["*"], "inherits": ["support"]}}
HEADER = "X-API-Key"
START = datetime.fromtimestamp(1_800_000_000, UTC)


ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request):
    """SQLite; tests that are about what a database does are marked `ON_BOTH`."""
    is_sqlite = getattr(request, "param", "sqlite") == "sqlite"
    return request.getfixturevalue("sqlite_url" if is_sqlite else "standing_url")


@pytest.fixture
def owner(app):
    """The id of a user with the role `support`."""
    user = app.users.add(login="owner@example.com", password_hash=None, is_verified=True, details={})
    app.db.session.get(app.User, user.id).roles = ["support"]
    app.db.session.commit()
    return user.auth_id


@pytest.fixture
def make_keys(app, clock):
    def make(**options):
        return ApiKeys(app.database, **{"prefix": "bk", "log": app.log, "clock": clock, **options})

    return make


@pytest.fixture
def keys(make_keys):
    return make_keys()


@pytest.fixture
def make_authenticator(app, clock, keys):
    def make(api_keys=None, cache=None):
        roles = Roles(ROLES, cache_seconds=30, log=app.log)
        return ApiKeyAuthenticator(
            api_keys or keys, users=Users(app.users), roles=roles, header=HEADER, cache=cache, clock=clock
        )

    return make


@pytest.fixture
def call(app, make_authenticator):
    """The actor that a request with this header's value comes from."""
    plain = make_authenticator()

    def authenticate(value, authenticator=plain):
        headers = {} if value is None else {HEADER: value}
        with app.test_request_context(headers=headers):
            return authenticator.authenticate()

    return authenticate


@pytest.fixture
def statements(app):
    """The statements that were sent since."""
    sent = []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement)

    event.listen(app.db.engine, "before_cursor_execute", note)
    yield sent
    event.remove(app.db.engine, "before_cursor_execute", note)


def stored(app):
    with app.database.reading() as session:
        return session.execute(select(app.database.table(API_KEYS))).mappings().all()


def change(app, **values):
    with app.database.writing() as session:
        session.execute(update(app.database.table(API_KEYS)).values(**values))


# --- making and listing ------------------------------------------------------------------------------------------


@ON_BOTH
def test_a_key_is_shown_once_and_stored_as_a_hash(app, keys, owner):
    """Who reads the table cannot use a key; its beginning is shown in lists, its secret in no repr."""
    new = keys.create(
        owner, name=" CI ", scopes=["orders:read", "orders:read", "*"], expires_at=START + timedelta(days=1)
    )
    (row,) = stored(app)
    secret = new.key.rsplit("_", 1)[1]
    assert secret not in str(row)
    assert row["key_hash"] == hashlib.sha256(new.key.encode()).hexdigest()
    assert secret not in repr(new)
    assert new.key.startswith(new.api_key.shown + "_")
    assert dataclasses.asdict(new.api_key) == {
        "id": row["id"],
        "shown": f"bk_{row['id']}",
        "owner_id": owner,
        "name": "CI",
        "scopes": ("orders:read", "*"),
        "created_at": START,
        "expires_at": START + timedelta(days=1),
        "last_used_at": None,
        "revoked_at": None,
    }
    assert keys.find(new.key) == new.api_key


@ON_BOTH
def test_listing_shows_the_owners_keys_only(keys, owner, clock):
    """Newest first, expired ones too, revoked ones on demand; an id that nobody has has none."""
    made = []
    for number in range(4):
        clock.now += 1
        made.append(
            keys.create(owner, name=f"key {number}", expires_at=START + timedelta(seconds=30)).api_key
        )
    keys.create("somebody else", name="x")
    keys.revoke(owner, made[0].id)
    clock.now += 3_600
    assert [key.name for key in keys.list(owner)] == ["key 3", "key 2", "key 1"]
    assert [key.name for key in keys.list(owner, with_revoked=True)] == ["key 3", "key 2", "key 1", "key 0"]
    for nobody in ("", "nobody", "\x00", "\ud800", "x" * 10_000):
        assert list(keys.list(nobody)) == []


IMPOSSIBLE = [
    ("name", {"name": ""}),
    ("name", {"name": "   "}),
    ("name", {"name": "x" * 101}),
    ("name", {"name": "a\x00b"}),
    ("name", {"name": "a\nb"}),
    ("name", {"name": "\ud800"}),
    ("scopes", {"scopes": ["orders read"]}),
    ("scopes", {"scopes": [""]}),
    ("scopes", {"scopes": ["Ä"]}),
    ("scopes", {"scopes": ["\x00"]}),
    ("scopes", {"scopes": [f"a:{number}" for number in range(101)]}),
    ("scopes", {"scopes": ["a" * 256]}),
    ("expires_at", {"expires_at": START.replace(tzinfo=None)}),
    ("expires_at", {"expires_at": START}),
    ("expires_at", {"expires_at": START - timedelta(days=1)}),
    ("expires_at", {"expires_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}),
]


@ON_BOTH
def test_what_cannot_be_is_refused(app, keys, owner):
    """As invalid input that names the field; nothing is stored."""
    for field, options in IMPOSSIBLE:
        with pytest.raises(ValidationError) as refused:
            keys.create(owner, **{"name": "CI", **options})
        assert refused.value.details[0]["field"] == field, options
    assert stored(app) == []


@ON_BOTH
def test_a_key_may_expire_at_the_end_of_time(keys, owner):
    """In any zone."""
    end = datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)), microsecond=0) - timedelta(days=1)
    new = keys.create(owner, name="CI", expires_at=end)
    assert keys.find(new.key).expires_at == end


# --- what counts -------------------------------------------------------------------------------------------------


def test_a_key_shows_who_calls(call, keys, owner):
    """Its owner, narrowed to its scopes, by this method, with the key's id."""
    new = keys.create(owner, name="CI", scopes=["orders:read", "users:*"])
    actor = call(new.key)
    assert (actor.id, actor.method, actor.credential_id, actor.scopes) == (
        owner,
        "api_key",
        new.api_key.id,
        ("orders:read", "users:*"),
    )
    reach = {
        name: actor.permissions.reach(name)
        for name in ("orders:read", "orders:write", "users:read", "users:write")
    }
    assert reach == {
        "orders:read": Reach.ALL,
        "orders:write": Reach.NONE,
        "users:read": Reach.ALL,
        "users:write": Reach.NONE,
    }
    assert actor.is_authenticated


def test_a_key_without_scopes_may_do_nothing(call, keys, owner):
    """It says who calls: forgotten scopes open nothing."""
    actor = call(keys.create(owner, name="CI").key)
    assert actor.id == owner
    assert actor.permissions == NO_PERMISSIONS
    assert actor.roles == ()


@pytest.mark.parametrize(
    ("scopes", "roles"), [((), ()), (("orders:*",), ()), (("*:own",), ()), (("*",), ("support",))]
)
def test_only_a_key_for_everything_has_its_owners_roles(call, keys, owner, scopes, roles):
    """`require_role` means all that the role may do, which a narrower key may not."""
    assert call(keys.create(owner, name="CI", scopes=scopes).key).roles == roles


def test_a_request_without_the_header_shows_nobody(call):
    """Which is for the next authenticator to judge."""
    assert call(None) is None


def bad_values(app, keys, owner, clock):
    """Name and value of every header that does not count."""
    good = keys.create(owner, name="good", scopes=["*"]).key
    other = keys.create(owner, name="other", scopes=["*"]).key
    expired = keys.create(owner, name="expired", expires_at=START + timedelta(seconds=1)).key
    revoked = keys.create(owner, name="revoked")
    keys.revoke(owner, revoked.api_key.id)
    nobodys = keys.create("999", name="of nobody").key
    clock.now += 1
    with_other_secret = good.rsplit("_", 1)[0] + "_" + other.rsplit("_", 1)[1]
    body = with_other_secret[:-6]
    forged = KeyText.make("bk")[0]
    return {
        "never made": forged,
        "of another program": KeyText.make("other_app")[0],
        "id of one, secret of another": with_other_secret,
        "the same with its checksum": body + checksum(body),
        "another prefix": "xx" + good[2:-6] + checksum("xx" + good[2:-6]),
        "wrong checksum": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "truncated": good[:-1],
        "empty": "",
        "space": " ",
        "twice": f"{good},{good}",
        "with a scheme": f"Bearer {good}",
        "latin": "é" * 70,
        "nul": good[:-1] + "\x00",
        "huge": good * 1_000,
        "expired": expired,
        "revoked": revoked.key,
        "of nobody": nobodys,
        "sql": "bk_' OR '1'='1_x",
    }


def checksum(body):
    from flask_backend_patterns.auth.api_keys import key_text

    return key_text._checksum(body)


@ON_BOTH
@pytest.mark.parametrize("cached", [False, True])
def test_everything_else_is_refused_alike(app, call, keys, owner, clock, make_authenticator, cached):
    """401 `INVALID_TOKEN` with the same message and challenge for each: nothing tells why."""
    authenticator = make_authenticator(cache=AlwaysTrusted() if cached else None)
    seen = set()
    for name, value in bad_values(app, keys, owner, clock).items():
        for _ in range(2):
            with pytest.raises(InvalidTokenError) as refused:
                call(value, authenticator)
            error = refused.value
            seen.add((error.status, error.code, error.message, tuple(error.headers.items()), error.details))
            assert keys.find(value) is None or name == "of nobody"
    assert seen == {
        (
            401,
            "INVALID_TOKEN",
            "The API key is invalid.",
            (("WWW-Authenticate", 'ApiKey error="invalid_token"'),),
            (),
        )
    }


class AlwaysTrusted(NearCache):
    """The near cache with a feed that is always trusted, as in a process that is alone."""

    def __init__(self):
        class Feed:
            is_trusted = True

            def listen(self, listener):
                self.listener = listener

            def publish(self, *keys):
                self.listener(keys)

        self.feed = Feed()
        super().__init__(max_entries=100, ttl_seconds=60, feed=self.feed)


@pytest.mark.parametrize("cached", [False, True])
def test_a_key_counts_until_it_expires(call, keys, owner, clock, make_authenticator, cached):
    """To the second, also when it is remembered."""
    authenticator = make_authenticator(cache=AlwaysTrusted() if cached else None)
    key = keys.create(owner, name="CI", expires_at=START + timedelta(seconds=10)).key
    clock.now += 9
    assert call(key, authenticator).id == owner
    clock.now += 1
    with pytest.raises(InvalidTokenError):
        call(key, authenticator)


@ON_BOTH
def test_an_owner_who_may_not_log_in_has_no_keys(app, call, keys, owner):
    """Inactive: refused; active again: counts again, since the key itself was not revoked."""
    key = keys.create(owner, name="CI", scopes=["*"]).key
    for is_active in (False, True):
        app.db.session.get(app.User, int(owner)).is_active = is_active
        app.db.session.commit()
        if is_active:
            assert call(key).id == owner
        else:
            with pytest.raises(InvalidTokenError):
                call(key)


def test_changed_roles_count_at_the_next_look(app, call, keys, owner):
    """A key may never do more than its owner may do now."""
    key = keys.create(owner, name="CI", scopes=["*"]).key
    assert call(key).permissions.reach("orders:read") is Reach.ALL
    app.db.session.get(app.User, int(owner)).roles = []
    app.db.session.commit()
    assert call(key).permissions == NO_PERMISSIONS


def test_no_connection_is_held_after_authentication(app, call, keys, owner):
    """Neither by a key that counts nor by one that does not."""
    key = keys.create(owner, name="CI").key
    call(key)
    assert app.db.engine.pool.checkedout() == 0


# --- revoking ----------------------------------------------------------------------------------------------------


@ON_BOTH
def test_revoking_is_for_the_owner(call, keys, owner):
    """Somebody else's key, an unknown one and one that is revoked already: False, and nothing happens."""
    new = keys.create(owner, name="CI")
    for other, key_id in (
        ("2", new.api_key.id),
        (owner, "unknown"),
        (owner, "\x00"),
        (owner, "\ud800"),
        (owner, ""),
        ("\x00", "x"),
    ):
        assert keys.revoke(other, key_id) is False
    assert call(new.key).id == owner
    assert keys.revoke(owner, new.api_key.id) is True
    assert keys.revoke(owner, new.api_key.id) is False
    with pytest.raises(InvalidTokenError):
        call(new.key)
    assert keys.list(owner, with_revoked=True)[0].revoked_at == START


@ON_BOTH
def test_one_of_many_revokes_a_key(app, keys, owner):
    """16 threads at once: one True."""
    key_id, got = keys.create(owner, name="CI").api_key.id, []

    def revoke():
        with app.app_context():
            got.append(keys.revoke(owner, key_id))

    threads = [threading.Thread(target=revoke) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == [False] * 15 + [True]


@ON_BOTH
def test_all_keys_of_an_owner_are_revoked_at_once(call, keys, owner):
    """And nobody else's."""
    mine = [keys.create(owner, name="CI").key for _ in range(3)]
    keys.create("2", name="other")
    assert keys.revoke_all(owner) == 3
    assert keys.revoke_all(owner) == 0
    assert len(keys.list("2")) == 1
    for key in mine:
        with pytest.raises(InvalidTokenError):
            call(key)


@ON_BOTH
def test_the_invalidation_goes_out_after_the_commit(app, make_keys, owner):
    """Not while others would still load the old row, and not when it was not revoked after all."""
    told = []
    keys = make_keys(publish=lambda *names: told.append((names, app.db.engine.pool.checkedout())))
    new = keys.create(owner, name="CI").api_key
    name = keys.invalidation_key(new.id)
    assert told == []
    with pytest.raises(RuntimeError):
        undo(app, lambda: keys.revoke(owner, new.id))
    assert told == []
    with app.tokens.transaction():
        assert keys.revoke(owner, new.id)
        assert told == []
    assert told == [((name,), 0)]


def undo(app, work):
    with app.tokens.transaction():
        work()
        raise RuntimeError


# --- the near cache ----------------------------------------------------------------------------------------------


def test_a_known_key_costs_no_query(call, keys, owner, make_authenticator, statements):
    """Neither key nor owner is looked up again, nor the last use written, within the minute."""
    authenticator = make_authenticator(cache=AlwaysTrusted())
    key = keys.create(owner, name="CI", scopes=["*"]).key
    first = call(key, authenticator)
    statements.clear()
    for _ in range(50):
        assert call(key, authenticator) == first
    assert statements == []


@ON_BOTH
def test_without_a_cache_each_request_looks(call, keys, owner, statements):
    """Two statements: key and owner."""
    key = keys.create(owner, name="CI", scopes=["*"]).key
    call(key)
    statements.clear()
    call(key)
    assert len([sent for sent in statements if sent.lstrip().startswith("SELECT")]) == 2


def test_made_up_ids_are_not_remembered(call, make_authenticator):
    """A flood of forged keys pushes nobody out of the cache."""
    cache = AlwaysTrusted()
    authenticator = make_authenticator(cache=cache)
    for _ in range(20):
        with pytest.raises(InvalidTokenError):
            call(KeyText.make("bk")[0], authenticator)
    assert len(cache) == 0


def test_changed_roles_of_a_known_key_count_after_forgetting(app, call, make_keys, owner, make_authenticator):
    """`forget` is for whoever changes roles, or shuts somebody out."""
    cache = AlwaysTrusted()
    keys = make_keys(publish=cache.feed.publish)
    authenticator = make_authenticator(keys, cache)
    key = keys.create(owner, name="CI", scopes=["*"]).key
    assert call(key, authenticator).roles == ("support",)
    app.db.session.get(app.User, int(owner)).roles = ["admin"]
    app.db.session.commit()
    assert call(key, authenticator).roles == ("support",)
    keys.forget(owner)
    assert set(call(key, authenticator).roles) == {"admin", "support"}


@pytest.fixture
def feeds(app, redis_url):
    """Two feeds on one channel, as two processes have them, both trusted."""
    client = lambda: connect(RedisSettings(url=redis_url, timeout_seconds=20))
    feeds = [RedisFeed(client, channel="backend:cache:accounts", log=app.log) for _ in range(2)]
    deadline = time.monotonic() + 60
    for feed in feeds:
        while not feed.is_trusted:
            assert time.monotonic() < deadline
    yield feeds
    for feed in feeds:
        feed.close()


def test_a_revoked_key_is_refused_everywhere(call, make_keys, owner, make_authenticator, feeds):
    """At once where it was revoked, and elsewhere as soon as Redis has passed it on."""
    here, there = (
        make_authenticator(keys, NearCache(max_entries=10, ttl_seconds=3_600, feed=feed))
        for feed in feeds
        for keys in [make_keys(publish=feed.publish)]
    )
    new = make_keys().create(owner, name="CI", scopes=["*"])
    for authenticator in (here, there):
        assert call(new.key, authenticator).id == owner
    make_keys(publish=feeds[0].publish).revoke(owner, new.api_key.id)
    began = time.perf_counter()
    with pytest.raises(InvalidTokenError):
        call(new.key, here)
    deadline = time.monotonic() + 60
    while True:
        try:
            call(new.key, there)
        except InvalidTokenError:
            break
        assert time.monotonic() < deadline
    print(f"refused elsewhere after {(time.perf_counter() - began) * 1000:.1f} ms")  # noqa: T201


# --- last use ----------------------------------------------------------------------------------------------------


@ON_BOTH
def test_the_last_use_is_written_once_a_minute(app, call, keys, owner, clock, statements):
    """The first use at once, later ones when a minute has passed."""
    key = keys.create(owner, name="CI").key
    statements.clear()
    for second in (0, 1, 30, 59, 60, 61, 90, 119, 120):
        clock.now = 1_800_000_000 + second
        call(key)
        assert keys.list(owner)[0].last_used_at == START + timedelta(seconds=second - second % 60)
    assert len([sent for sent in statements if sent.startswith("UPDATE")]) == 3


@ON_BOTH
def test_several_processes_write_it_once(app, make_keys, owner, clock):
    """Each has its own memory; the row decides, and never goes back."""
    first, second = make_keys(), make_keys()
    key_id = first.create(owner, name="CI").api_key.id
    clock.now += 100
    first.note_use(key_id)
    clock.now += 30
    second.note_use(key_id)
    assert stored(app)[0]["last_used_at"] == 1_800_000_100


@ON_BOTH
def test_a_use_that_cannot_be_written_does_not_fail_the_request(app, database_url, call, keys, owner):
    """Somebody holds the row, or SQLite's only lock, for long: the request goes on at once, and a line is logged."""
    key = keys.create(owner, name="CI").key
    engine = create_engine(database_url)
    with engine.connect() as holder:
        if engine.dialect.name == "sqlite":
            holder.exec_driver_sql("BEGIN IMMEDIATE")
        holder.execute(text(f"UPDATE {API_KEYS} SET name = 'held'"))
        began = time.perf_counter()
        assert call(key).id == owner
        assert time.perf_counter() - began < 20  # SQLite's own wait is 30
        holder.rollback()
    engine.dispose()
    assert app.log.names == ["api_key_last_use_lost"]
    assert key not in str(app.log.events)
    assert keys.list(owner)[0].last_used_at is None


def test_sqlite_waits_for_others_as_before(app, keys, owner):
    """What the last use changed on the connection, it has put back."""
    keys.note_use(keys.create(owner, name="CI").api_key.id)
    with app.db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


@ON_BOTH
def test_a_use_within_a_transaction_is_written_after_it(app, keys, owner):
    """It is no part of what may be undone, and holds no row until then."""
    key_id = keys.create(owner, name="CI").api_key.id
    with app.tokens.transaction():
        keys.note_use(key_id)
        assert stored(app)[0]["last_used_at"] is None
    assert stored(app)[0]["last_used_at"] == 1_800_000_000


def test_remembered_uses_are_bounded(app, clock):
    """Many keys do not fill the memory."""
    last_use = LastUse(app.database, log=app.log, clock=clock)
    last_use._noted.update({str(number): clock.now for number in range(10_000)})
    last_use.note("one more")
    assert len(last_use._noted) == 1
