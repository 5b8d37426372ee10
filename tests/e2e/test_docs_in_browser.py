"""`/docs` as people use it: in a real browser, with no other host in reach."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask, request
from flask_migrate import upgrade
from flask_smorest import Api
from marshmallow import Schema, fields
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from example_app import create_app
from example_app.extensions import db
from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed
from flask_backend_patterns import BackendPatterns, Blueprint, InvalidTokenError, UnauthorizedError

from .browsing import REMEMBER_BREACHES, launched, served

TOKEN = "t0ken-of-ann"
# Argon2 at its lowest cost.
CHEAP_PASSWORDS = {
    "BACKEND_AUTH_PASSWORD_TIME_COST": 1,
    "BACKEND_AUTH_PASSWORD_MEMORY_KIB": 8,
    "BACKEND_AUTH_PASSWORD_PARALLELISM": 1,
}
TITLE = "Coffee <b>&</b> Käse"


class ActorSchema(Schema):
    name = fields.String()
    host = fields.String()


def make_app() -> Flask:
    app = Flask(__name__)
    bearer = {"bearerAuth": {"type": "http", "scheme": "bearer"}}
    app.config.update(
        API_TITLE=TITLE,
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"components": {"securitySchemes": bearer}},
        BACKEND_API_PREFIXES=["/api"],
        BACKEND_API_DOCS_PATH="/docs",
    )
    BackendPatterns(app)
    blp = Blueprint("actors", __name__, url_prefix="/api/actors", description="Who is calling")

    @blp.get("/me")
    @blp.response(200, ActorSchema)
    @blp.doc(security=[{"bearerAuth": []}], operationId="whoami")
    def me():
        """The caller."""
        if request.authorization is None:
            raise UnauthorizedError
        if request.authorization.token != TOKEN:
            raise InvalidTokenError
        return {"name": "Ann", "host": request.host}

    @blp.get("/<int:actor_id>")
    @blp.response(200, ActorSchema)
    def actor(actor_id):
        """Somebody."""
        return {"name": str(actor_id)}

    Api(app).register_blueprint(blp)
    return app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of this file."""
    with launched() as browser:
        yield browser


@dataclass
class Visit:
    """A page and all it did: requests, console errors, breaches of its Content-Security-Policy."""

    page: Page
    requested: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def breaches(self) -> list[str]:
        return self.page.evaluate("window.breaches")

    def origins(self) -> set[str]:
        return {
            f"{url.scheme}://{url.netloc}" for url in map(urlsplit, self.requested) if url.scheme != "data"
        }

    def stored(self) -> list[str]:
        return self.page.evaluate("[...Object.values(localStorage), ...Object.values(sessionStorage)]")


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    """Open `url` in a browser profile of its own and wait until the operations are shown."""
    context: BrowserContext = browser.new_context(viewport={"width": 1200, "height": 1000})
    context.add_init_script(REMEMBER_BREACHES)
    seen = Visit(context.new_page())
    context.on("request", lambda sent: seen.requested.append(sent.url))
    seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    try:
        seen.page.goto(url)
        expect(seen.page.locator(".opblock").first).to_be_visible()
        yield seen
    finally:
        context.close()


def authorize(page: Page, token: str) -> None:
    """Fill the form for bearer tokens of the "Authorize" dialog."""
    page.locator(".auth-wrapper .btn.authorize").first.click()
    form = page.locator(".modal-ux .auth-container").filter(has_text="http, Bearer")
    logout = form.get_by_role("button", name="Logout")
    if logout.count():
        logout.click()
    form.locator("input").fill(token)
    form.locator(".btn.authorize").click()
    form.locator(".btn-done").click()


def try_out(
    page: Page, operation_id: str, *, parameters: Mapping[str, str] | None = None, body: str | None = None
) -> tuple[int, str]:
    """Open an operation, "Try it out", fill it in, "Execute"; the status and the body that the page shows."""
    block = page.locator(f"[id$='-{operation_id}'].opblock")
    if "is-open" not in (block.get_attribute("class") or ""):
        block.locator(".opblock-summary-control").click()
    toggle = block.locator(".try-out__btn").first  # beside "Cancel" there is "Reset" for a body
    expect(toggle).to_be_visible()
    if toggle.inner_text() == "Try it out":
        toggle.click()
    for name, value in (parameters or {}).items():
        block.locator(f"[data-param-name='{name}'] input").fill(value)
    if body is not None:
        block.locator("textarea.body-param__text").fill(body)
    answer = block.locator(".live-responses-table .response")
    if answer.count():
        block.locator(".btn-clear").click()
        expect(answer).to_have_count(0)
    block.locator(".execute").click()
    expect(answer).to_be_visible()
    status = int(answer.locator(".response-col_status").inner_text().split()[0])
    return status, answer.locator(".highlight-code code").first.inner_text()


def assert_kept_to_itself(seen: Visit, base_url: str) -> None:
    """All requests to one origin, nothing refused by the policy, nothing in the browser's storage."""
    origin = urlsplit(base_url)
    assert seen.origins() == {f"{origin.scheme}://{origin.netloc}"}
    assert seen.breaches() == []
    assert seen.stored() == []


@pytest.mark.parametrize("slash", ["", "/"], ids=["without-slash", "with-slash"])
@pytest.mark.parametrize("prefix", ["", "/shop"], ids=["at-root", "below-a-prefix"])
def test_the_page_works_with_no_other_host_in_reach(browser, prefix, slash):
    """It lists the operations, calls a protected one with a token, and asks nobody but the app.

    Also where the app is mounted below a prefix: the page's addresses and the calls it makes keep the prefix.
    """
    app = make_app()
    wsgi_app = DispatcherMiddleware(Flask("other"), {prefix: app}) if prefix else app
    with served(wsgi_app) as host:
        base_url = host + prefix
        with visit(browser, f"{base_url}/docs{slash}") as seen:
            page = seen.page
            expect(page.locator(".opblock")).to_have_count(2)
            assert page.title() == TITLE
            expect(page.locator(".info .title")).to_contain_text(TITLE)
            assert page.locator(".validator-wrapper, .online-validator").count() == 0
            authorize(page, TOKEN)
            status, body = try_out(page, "whoami")
            assert (status, '"Ann"' in body) == (200, True)
            assert urlsplit(host).netloc in body
            assert f"{base_url}/api/actors/me" in seen.requested
            assert seen.errors == []
            assert_kept_to_itself(seen, base_url)


def test_a_wrong_token_is_answered_in_the_error_envelope(browser):
    """401 with the code that says what is wrong with the token; without one, the code that says it is missing."""
    with served(make_app()) as base_url, visit(browser, f"{base_url}/docs") as seen:
        status, body = try_out(seen.page, "whoami")
        assert (status, "UNAUTHORIZED" in body) == (401, True)
        authorize(seen.page, "guessed")
        status, body = try_out(seen.page, "whoami")
        assert (status, "INVALID_TOKEN" in body) == (401, True)
        assert_kept_to_itself(seen, base_url)


def test_a_link_cannot_point_the_page_elsewhere(browser):
    """`?url=` and `?configUrl=` of a link are not obeyed: the page shows the app's own document."""
    query = "?url=http://evil.example/x.json&configUrl=http://evil.example/c.json"
    with served(make_app()) as base_url, visit(browser, f"{base_url}/docs{query}") as seen:
        expect(seen.page.locator(".info .title")).to_contain_text(TITLE)
        assert_kept_to_itself(seen, base_url)


def test_a_deep_link_opens_its_operation(browser):
    """A link to one operation, as people paste it into a chat, shows that operation."""
    with served(make_app()) as base_url, visit(browser, f"{base_url}/docs#/actors/whoami") as seen:
        expect(seen.page.locator(".opblock.is-open [data-path='/api/actors/me']")).to_be_visible()
        assert seen.errors == []


# --- The shop ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop_app(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The example as it runs, with some goods and the people of the demo."""
    app = create_app(
        {
            "SHOP_INSTANCE": tmp_path / "instance",
            "SQLALCHEMY_DATABASE_URI": sqlite_url,
            "BACKEND_REDIS_URL": redis_url,
            "BACKEND_REDIS_TIMEOUT_SECONDS": 5.0,  # a busy machine is no outage
            **CHEAP_PASSWORDS,
        }
    )
    with app.app_context():
        upgrade()
        seed(Sizes(users=10, products=20, orders=0))
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["example_app.queue"].connection.close()


def test_the_shop_is_used_from_its_page(browser, shop_app):
    """Somebody gets a token on the page, pastes it, looks who they are, places an order and finds it among theirs.

    Sent again with the same key it is placed once. Everything from one host, within the page's policy, and with nothing on
    the browser's console.
    """
    me = DEMO_USERS[0].email
    order = json.dumps({"lines": [{"product_id": 1, "quantity": 2}]})
    key = {"Idempotency-Key": "from-the-page-1"}
    with served(shop_app) as base_url, visit(browser, f"{base_url}/docs") as seen:
        page = seen.page
        status, shown = try_out(
            page, "auth_login", body=json.dumps({"login": me, "password": DEMO_PASSWORD, "delivery": "body"})
        )
        assert status == 200
        authorize(page, json.loads(shown)["data"]["access_token"])
        status, shown = try_out(page, "account_get_me")
        caller = json.loads(shown)["data"]
        assert (status, caller["email"], caller["role"]) == (200, me, "customer")

        status, shown = try_out(page, "orders_create_order", parameters=key, body=order)
        placed = json.loads(shown)["data"]
        assert (status, placed["user_id"]) == (201, caller["id"])
        assert [(line["product_id"], line["quantity"]) for line in placed["lines"]] == [(1, 2)]
        assert try_out(page, "orders_create_order", parameters=key, body=order) == (201, shown)

        status, shown = try_out(page, "orders_list_orders")
        listed = json.loads(shown)
        assert (status, [one["id"] for one in listed["data"]]) == (200, [placed["id"]])
        assert seen.errors == []
        assert_kept_to_itself(seen, base_url)


def test_every_operation_of_the_shop_is_on_its_page(browser, shop_app):
    """As many as the document has, each under the name that generated code would call it by."""
    document = shop_app.test_client().get("/openapi.json").get_json()
    wanted = {
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    }
    with served(shop_app) as base_url, visit(browser, f"{base_url}/docs") as seen:
        blocks = seen.page.locator(".opblock")
        expect(blocks).to_have_count(len(wanted))
        shown = {block.get_attribute("id").partition("-")[2].partition("-")[2] for block in blocks.all()}
        assert shown == wanted
        assert {"account_get_me", "orders_list_orders", "orders_create_order"} <= shown
        assert seen.errors == []


def test_the_watch_on_the_page_is_not_blind(browser):
    """A page that asks another host and runs an inline script is caught by the same look."""

    def foreign(environ, start_response):
        start_response(
            "200 OK", [("Content-Type", "text/html"), ("Content-Security-Policy", "script-src 'self'")]
        )
        return [b"<div class=opblock>x</div><script>1</script><img src='http://evil.example/x.png'>"]

    with served(foreign) as base_url, visit(browser, base_url) as seen:
        assert "http://evil.example" in seen.origins()
        assert len(seen.breaches()) == 1
        assert seen.errors
        with pytest.raises(AssertionError):
            assert_kept_to_itself(seen, base_url)
