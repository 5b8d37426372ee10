"""The app of `login_app.py`, on each database and a real Redis; a client, and somebody who can log in."""

import importlib.util
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

PROGRAM = Path(__file__).parent / "login_app.py"


def _load():
    specification = importlib.util.spec_from_file_location("auth_login_app", PROGRAM)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def login_app():
    """The module, as `import login_app` would give it."""
    return _load()


@dataclass
class Site:
    """An app, and shorthand for what tests do with it."""

    app: Any
    module: Any
    headers: dict = field(default_factory=dict)

    def __post_init__(self):
        self.client = self.app.test_client()

    def post(self, path, body=None, *, token=None, address="10.0.0.1", **options):
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return (options.pop("client", None) or self.client).post(
            f"/auth{path}", json=body, headers=headers, environ_base={"REMOTE_ADDR": address}, **options
        )

    def request(self, method, path, *, token=None, **options):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.open(path, method=method, headers=headers, **options)

    def login(self, login="ada@example.com", password=None, **options):
        return self.post("/login", {"login": login, "password": password or self.module.PASSWORD}, **options)

    def tokens(self, **options):
        answer = self.login(**options)
        assert answer.status_code == 200, answer.get_json()
        return answer.get_json()["data"]

    def me(self, token):
        return self.request("GET", "/me", token=token).status_code

    def add_user(self, email="ada@example.com", password=..., **values):
        with self.app.app_context():
            if password is ...:
                password = self.module.PASSWORD
            values["password_hash"] = password and self.auth.passwords.hash(password)
            user = self.app.User(email=email, **values)
            self.app.db.session.add(user)
            self.app.db.session.commit()
            return user.id

    def change_user(self, login="ada@example.com", **values):
        with self.app.app_context():
            for name, value in values.items():
                setattr(self._row(login), name, value)
            self.app.db.session.commit()

    def user(self, email="ada@example.com"):
        with self.app.app_context():
            return self._row(email)

    def _row(self, email):
        session = self.app.db.session
        return session.scalars(select(self.app.User).where(self.app.User.email == email)).one_or_none()

    @property
    def auth(self):
        return self.app.extensions["backend_patterns"].auth

    @property
    def sent(self):
        return self.app.sent


@pytest.fixture
def database_url(request):
    """SQLite; tests that are about what a database does are marked `ON_BOTH`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return request.getfixturevalue("standing_schema")("logins")


@contextmanager
def opened(module, create_tables, url, redis, *, with_user=True, **options):
    """A site, while the block lasts."""
    app = module.create_app(url, redis, **options)
    create_tables(app)
    site = Site(app, module)
    if with_user:
        site.add_user()
    try:
        yield site
    finally:
        with app.app_context():
            app.db.session.remove()
            left = app.db.engine.pool.checkedout()
            app.db.engine.dispose()
    assert left == 0


@pytest.fixture
def make_site(login_app, create_tables, database_url, redis_url):
    """Makes a site; what it leaves open is closed at the end."""
    with ExitStack() as sites:

        def make(*, redis=..., **options):
            chosen = redis_url if redis is ... else redis
            return sites.enter_context(opened(login_app, create_tables, database_url, chosen, **options))

        yield make


@pytest.fixture
def site(make_site):
    """The app as it comes, with one user."""
    return make_site()


@pytest.fixture(scope="module")
def open_site(login_app, create_tables, redis_server, tmp_path_factory):
    """One site, on SQLite, for every test of a file; it counts no failures, so that each request is looked at.

    Its token counts as long as nobody empties Redis, which `redis_url` would do.
    """
    redis_server.reset()
    limits = {
        "BACKEND_AUTH_FAILURES_PER_ADDRESS": "100000/hour",
        "BACKEND_AUTH_FAILURES_PER_ACCOUNT": "100000/hour",
    }
    url = f"sqlite:///{tmp_path_factory.mktemp('open') / 'test.db'}"
    with opened(login_app, create_tables, url, redis_server.url, **limits) as site:
        yield site


@pytest.fixture
def hashes(monkeypatch, login_app):
    """Counts Argon2's work from now on."""
    import argon2

    for name in ("hash", "verify"):
        monkeypatch.setattr(argon2.PasswordHasher, name, getattr(argon2.PasswordHasher, name))
    return login_app.HashCounter()
