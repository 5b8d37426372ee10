"""Two real providers, each a process, and a conversation with one as a browser has it."""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import ModuleType
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_backend_patterns.auth.oauth.attempt import Attempt
from flask_backend_patterns.auth.oauth.authorization import ProviderLogin
from flask_backend_patterns.auth.oauth.provider import read_providers
from flask_backend_patterns.auth.oauth.provider_client import ProviderClient

CALLBACK = "http://127.0.0.1/auth/oauth/first/callback"
APP_FILE = Path(__file__).parent / "oauth_app.py"
PROVIDER_FILES = Path(__file__).parents[3] / "oidc_provider"
# Everything here speaks plain HTTP: without `verify` no client reads the authorities of the machine, which takes 20 ms.
BROWSER = httpx.Client(timeout=60, trust_env=False, verify=False)


def load(name: str, path: Path) -> ModuleType:
    """The module in a file of the tests, which are no package."""
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module", autouse=True)
def _no_authorities(tmp_path_factory) -> Iterator[None]:
    """Our own clients read an empty folder of authorities, for the same reason."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(scope="session")
def provider_processes() -> Iterator[list]:
    module = load("oidc_provider_process", PROVIDER_FILES / "process.py")
    with module.OidcProvider() as first, module.OidcProvider() as second:
        yield [first, second]


@pytest.fixture
def provider(provider_processes):
    """A provider that runs and does as it should."""
    provider_processes[0].reset()
    return provider_processes[0]


@pytest.fixture
def second_provider(provider_processes):
    """Another one."""
    provider_processes[1].reset()
    return provider_processes[1]


class Conversation:
    """A login by one provider without an app: what our routes and a browser do between them."""

    def __init__(self, login: ProviderLogin, clock: Callable[[], float] = time.time) -> None:
        self.login = login
        self.attempt = Attempt(
            provider=login.provider.name,
            redirect_uri=CALLBACK,
            return_path="/",
            begun_at=int(clock()),
        )

    def answer(self) -> dict[str, str]:
        """The parameters that the provider sends the browser back with."""
        response = BROWSER.get(self.login.authorization_url(self.attempt))
        assert response.status_code == 302, response.text
        return dict(parse_qsl(urlsplit(response.headers["Location"]).query))

    def finish(self, **changed: str):
        """Log in; `changed` replaces parameters of the answer."""
        return self.login.complete(self.attempt, {**self.answer(), **changed})


@pytest.fixture(scope="session")
def provider_client() -> ProviderClient:
    """It remembers nothing, and keeps no connection."""
    return ProviderClient()


@pytest.fixture
def make_login(provider_client) -> Callable[..., ProviderLogin]:
    """Make a `ProviderLogin` for a provider."""

    def make(
        process, *, client: ProviderClient | None = None, clock=time.time, steady=time.monotonic, **settings
    ):
        described = read_providers({"first": process.settings(**settings)})["first"]
        return ProviderLogin(described, client or provider_client, clock=clock, steady_clock=steady)

    return make


@pytest.fixture
def conversation() -> type[Conversation]:
    """Several with one `ProviderLogin`."""
    return Conversation


@pytest.fixture
def converse(provider, make_login) -> Callable[..., Conversation]:
    """Begin a conversation with the first provider."""
    return lambda **options: Conversation(make_login(provider, **options), options.get("clock", time.time))


@dataclass
class Site:
    """An app that serves on a port of this machine."""

    app: Flask
    url: str

    def browser(self) -> "Browser":
        return Browser(self)

    def users(self) -> list:
        """Every user."""
        with self.app.app_context():
            return self.app.db.session.scalars(self.app.db.select(self.app.User)).all()

    def links(self) -> list[tuple[str, str]]:
        """(subject, user id) of every linked identity."""
        from flask_backend_patterns.auth.tables import LINKED_IDENTITIES

        with self.app.app_context():
            table = self.app.db.metadata.tables[LINKED_IDENTITIES]
            return [
                tuple(row)
                for row in self.app.db.session.execute(self.app.db.select(table.c.subject, table.c.user_id))
            ]

    def add_user(self, login="ada@example.org", *, is_verified=True, is_active=True) -> str:
        """A user of the site's own; returns the id."""
        with self.app.app_context():
            user = self.app.users.add(login=login, password_hash=None, is_verified=is_verified, details={})
            if not is_active:
                self.app.db.session.get(self.app.User, int(user.auth_id)).is_active = False
                self.app.db.session.commit()
            return user.auth_id


@dataclass
class Browser:
    """Keeps cookies, as a browser does; follows nothing by itself."""

    site: Site
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=60, trust_env=False, verify=False)
    )

    def get(self, path: str, **options) -> httpx.Response:
        """Ask the site, or anything when given a whole URL."""
        return self.http.get(path if path.startswith("http") else self.site.url + path, **options)

    def post(self, path: str, **options) -> httpx.Response:
        return self.http.post(self.site.url + path, **options)

    def begin(self, provider="first", query="") -> httpx.Response:
        """Go to the provider and come back as far as the URL of the callback: a redirect to it, not yet followed."""
        to_provider = self.get(f"/auth/oauth/{provider}{query}")
        assert to_provider.status_code == 303, to_provider.text
        return self.get(to_provider.headers["Location"])

    def log_in(self, provider="first", query="", **options) -> httpx.Response:
        """All the way to what the callback answers."""
        return self.get(self.begin(provider, query).headers["Location"], **options)

    def open_logins(self) -> list[str]:
        """The cookies of logins that have begun."""
        return [name for name in self.http.cookies if "backend_oauth_" in name]

    def link(self, provider: str) -> str:
        """Ask to link, and go to the provider and back as far as the callback's URL."""
        csrf = self.http.cookies.get("csrf_access_token")
        answer = self.post(f"/auth/oauth/{provider}/link?next=/account", headers={"X-CSRF-TOKEN": csrf or ""})
        assert answer.status_code == 200, answer.text
        return self.get(answer.json()["data"]["authorization_url"]).headers["Location"]

    def me(self) -> httpx.Response:
        return self.get("/me")


@pytest.fixture
def site_database(sqlite_url) -> str:
    """Files whose tests are about what is stored replace it by `database_url`."""
    return sqlite_url


@contextmanager
def serving(url, redis, providers, create_tables, **options) -> Iterator[Site]:
    """Serve an app whose providers are the processes given by name, while the block lasts."""
    described = {
        name: process if isinstance(process, dict) else process.settings()
        for name, process in providers.items()
    }
    app = load("oauth_login_app", APP_FILE).create_app(url, redis, described, **options)
    create_tables(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Site(app, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with app.app_context():
            app.db.session.remove()
            left = app.db.engine.pool.checkedout()
            app.db.engine.dispose()
    assert left == 0


@pytest.fixture
def make_site(site_database, redis_url, create_tables) -> Iterator[Callable[..., Site]]:
    """Serve apps until the test ends."""
    with ExitStack() as open_sites:
        yield lambda providers, *, url=site_database, redis=redis_url, **options: open_sites.enter_context(
            serving(url, redis, providers, create_tables, **options)
        )


@pytest.fixture
def site(make_site, provider) -> Site:
    """A site with one provider, called `first`."""
    return make_site({"first": provider})


@pytest.fixture(scope="module")
def _module_site(provider_processes, redis_server, tmp_path_factory, create_tables) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path_factory.mktemp('site') / 'site.db'}"
    with serving(url, redis_server.url, {"first": provider_processes[0]}, create_tables) as site:
        yield site


@pytest.fixture
def common_site(_module_site, provider, redis_url) -> Site:
    """The same one for every test of a file that does not look at its users; its Redis is empty."""
    return _module_site


@pytest.fixture
def sites(make_site, provider, second_provider) -> tuple[Site, Browser]:
    """A site with two providers; Ada has logged in by the first, and the second calls her countess."""
    site = make_site({"first": provider, "second": second_provider})
    second_provider.order(user={"sub": "c-1", "email": "countess@example.org", "email_verified": True})
    browser = site.browser()
    browser.log_in("first")
    return site, browser
