"""The shop's login as people use it: in a real browser, with scripts turned off."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from flask import Flask
from flask_migrate import upgrade
from playwright.sync_api import Browser, BrowserContext, Page, expect

from example_app import create_app
from example_app.extensions import db
from example_app.seeding.demo import DEMO_PASSWORD
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .browsing import HOST, REMEMBER_BREACHES, launched, served

ME = "customer@shop.example"
# Argon2 at its lowest cost.
CHEAP_PASSWORDS = {
    "BACKEND_AUTH_PASSWORD_TIME_COST": 1,
    "BACKEND_AUTH_PASSWORD_MEMORY_KIB": 8,
    "BACKEND_AUTH_PASSWORD_PARALLELISM": 1,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of this file."""
    with launched() as browser:
        yield browser


@pytest.fixture
def address(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[str]:
    """Where the example is, with some goods, people and orders."""
    app: Flask = create_app(
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
        seed(Sizes(users=10, products=20, orders=30))
    with served(app) as base_url:
        yield base_url
    with app.app_context():
        db.engine.dispose()
    app.extensions["example_app.queue"].connection.close()


@dataclass
class Person:
    """Somebody with a browser profile of their own, and all that went wrong in it."""

    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)

    def log_in(self, address: str, password: str = DEMO_PASSWORD) -> None:
        """From the account's address, by keyboard alone."""
        self.page.goto(f"{address}/account")
        expect(self.page.get_by_label("E-mail address")).to_be_focused()
        self.page.keyboard.type(ME)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(password)
        with self.page.expect_event("load"):
            self.page.keyboard.press("Enter")

    @property
    def path(self) -> str:
        """Where the page is; `?` and what follows included."""
        return self.page.url.partition(HOST)[2].partition("/")[2]


@pytest.fixture
def meet(browser: Browser) -> Iterator:
    """New people."""
    contexts = []

    def new_person(*, scripts: bool = False) -> Person:
        context = browser.new_context(java_script_enabled=scripts)
        contexts.append(context)
        if scripts:
            context.add_init_script(REMEMBER_BREACHES)
        person = Person(context, context.new_page())
        # Chromium tells a breach of the policy on the console; a 401 too, which is no fault of a page.
        person.page.on(
            "console",
            lambda said: person.errors.append(said.text) if "status of 401" not in said.text else None,
        )
        person.page.on("pageerror", lambda error: person.errors.append(str(error)))
        return person

    yield new_person
    for context in contexts:
        context.close()


def test_a_customer_sees_their_orders_and_logs_out_everywhere(meet, address):
    """Two browsers and a program are logged in; one click in the first ends all three. No scripts are needed."""
    first, second = meet(), meet()
    first.log_in(address)
    assert first.path == "account"
    expect(first.page.get_by_role("heading", name="Your account")).to_be_visible()
    body = {"login": ME, "password": DEMO_PASSWORD, "delivery": "body"}
    with httpx.Client(base_url=address.replace(HOST, "127.0.0.1")) as program:
        token = program.post("/auth/login", json=body).json()["data"]["access_token"]
        program.headers["Authorization"] = f"Bearer {token}"
        wanted = [str(order["id"]) for order in program.get("/api/orders").json()["data"]]
        assert wanted
        orders = first.page.get_by_role("table", name="Your last orders").locator("tbody tr")
        assert [row.locator("td").first.inner_text() for row in orders.all()] == wanted

        second.log_in(address)
        first.page.reload()
        logins = first.page.get_by_role("table", name="Where you are logged in").locator("tbody tr")
        expect(logins).to_have_count(3)
        expect(logins.filter(has_text="(this one)")).to_have_count(1)

        first.page.get_by_role("button", name="Log out everywhere").click()
        expect(first.page.get_by_role("status")).to_have_text("You are logged out everywhere.")
        second.page.reload()
        assert second.path == "login?next=/account"
        first.page.goto(f"{address}/account")
        assert first.path == "login?next=/account"
        assert program.get("/api/orders").status_code == 401
    assert first.errors == second.errors == []


def test_one_login_is_ended_from_another_browser(meet, address):
    """The button in the row of the other browser ends that one alone."""
    first, second = meet(), meet()
    first.log_in(address)
    second.log_in(address)
    first.page.reload()
    first.page.get_by_role("button", name="End the login on").click()
    expect(first.page.get_by_role("button", name="End the login on")).to_have_count(0)
    second.page.reload()
    assert second.path == "login?next=/account"


def test_an_error_is_said_and_has_the_focus(meet, address):
    """After a wrong password the error is an alert with the focus, the address is still there; then it works."""
    person = meet()
    person.log_in(address, "wrong-password")
    expect(person.page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    expect(person.page.get_by_role("alert")).to_be_focused()
    assert person.page.title().startswith("Error: ")
    expect(person.page.get_by_label("E-mail address")).to_have_value(ME)
    expect(person.page.get_by_label("Password")).to_have_value("")
    person.page.get_by_label("Password").fill(DEMO_PASSWORD)
    person.page.get_by_role("button", name="Log in").click()
    expect(person.page.get_by_role("heading", name="Your account")).to_be_visible()


def test_another_site_can_neither_log_anybody_in_nor_out(meet, address):
    """A form of another origin (127.0.0.1 for the browser) that is sent to the shop changes nothing."""
    person = meet(scripts=True)
    person.log_in(address)
    for path in ("/account/logout-all", "/login"):
        target = f"{address}{path}"

        def evil(environ, start_response, target=target):
            start_response("200 OK", [("Content-Type", "text/html")])
            form = f"<form method=post action='{target}'><input name=csrf_token value=x><button>Win</button></form>"
            return [form.encode()]

        with served(evil) as elsewhere:
            person.page.goto(elsewhere.replace(HOST, "127.0.0.1"))
            with person.page.expect_event("load"):
                person.page.get_by_role("button", name="Win").click()
            assert person.page.url.startswith(address)
    person.page.goto(f"{address}/account")
    assert person.path == "account"


def test_every_page_keeps_its_policy(meet, address):
    """With scripts on, so that the browser can tell: no breach of the policy, and the style sheet counts."""
    person = meet(scripts=True)
    person.log_in(address)
    for path in ("/account", "/", "/login", "/nope"):
        person.page.goto(address + path)
        assert person.page.evaluate("window.breaches") == []
        assert person.page.evaluate("document.styleSheets.length") == 1
    assert [error for error in person.errors if "status of 404" not in error] == []


def test_the_watch_on_the_policy_is_not_blind(meet):
    """An inline style under the policy of the shop's pages is seen."""

    def styled(environ, start_response):
        start_response(
            "200 OK", [("Content-Type", "text/html"), ("Content-Security-Policy", "style-src 'self'")]
        )
        return [b"<p style='color: red'>x</p>"]

    person = meet(scripts=True)
    with served(styled) as elsewhere:
        person.page.goto(elsewhere)
        assert len(person.page.evaluate("window.breaches")) == 1
    assert person.errors
