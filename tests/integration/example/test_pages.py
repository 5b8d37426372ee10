"""The shop's pages: what they say, and the login that needs no scripts."""

import re
from html.parser import HTMLParser

import pytest

from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .logins import LOGINS

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "Firefox of Ann"}
ME, ADMIN = "customer@shop.example", "admin@shop.example"
WRONG = "The e-mail address or the password is wrong."
FORMS = ("/account/logout", "/account/logout-all", "/account/sessions/x/end")


@pytest.fixture
def seeded(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=10, products=45, orders=60))
    return shop_app


@pytest.fixture
def browse(seeded):
    """A new browser, with cookies of its own."""
    return lambda: Browser(seeded.test_client())


@pytest.fixture
def ann(browse):
    """Somebody who has logged in."""
    browser = browse()
    assert browser.log_in().location == "/account"
    return browser


class Browser:
    """A client that says it is a browser, and fills in forms."""

    def __init__(self, client):
        self.client = client

    def get(self, path):
        return self.client.get(path, headers=BROWSER)

    def send(self, path, **form):
        """A form of the account's page."""
        token = self.client.get_cookie("backend_session_csrf")
        return self.client.post(path, data={"csrf_token": token and token.value, **form}, headers=BROWSER)

    def log_in(self, login=ME, password=DEMO_PASSWORD, **form):
        token = hidden(self.get("/login"), "csrf_token")
        sent = {"csrf_token": token, "login": login, "password": password, **form}
        return self.client.post("/login", data=sent, headers=BROWSER)

    @property
    def is_in(self):
        return self.get("/account").status_code == 200


def hidden(response, name):
    return re.search(f'name="{name}" value="([^"]*)"', response.text)[1]


class Elements(HTMLParser):
    """The elements of a page, as (tag, attributes)."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for found, attributes in self.found if found == tag]


def test_the_home_page_says_how_to_log_in(browse):
    """Every demo login, the page to log in on, and how to come by a token for curl and for /docs."""
    page = browse().get("/")
    assert page.mimetype == "text/html"
    assert all(user.email in page.text for user in DEMO_USERS)
    assert 'href="/login"' in page.text
    for needed in ("/auth/login", '["data"]["access_token"]', "Authorization: Bearer $TOKEN", "“Authorize”"):
        assert needed in page.text.replace("&#34;", '"')


@pytest.mark.parametrize("path", ["/", "/login", "/account", "/nope"])
def test_pages_need_nothing_that_their_policy_forbids(ann, path):
    """No script, no inline style, no handler; the policy lets the style sheet in and nothing of others."""
    page = ann.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    elements = Elements(page.text)
    assert elements.all("script") == elements.all("style") == []
    assert [
        key for _, attributes in elements.found for key in attributes if key.startswith(("on", "style"))
    ] == []
    (sheet,) = [link["href"] for link in elements.all("link") if link["rel"] == "stylesheet"]
    with ann.get(sheet) as answer:
        assert answer.mimetype == "text/css"


def test_who_is_not_logged_in_is_sent_to_the_form(browse):
    """A browser is, and comes back to where it wanted to go; a program gets the 401 of the package."""
    browser = browse()
    answer = browser.get("/account?x=1")
    assert (answer.status_code, answer.location) == (302, "/login?next=/account?x%3D1")
    assert hidden(browser.get(answer.location), "next") == "/account?x=1"
    program = browser.client.get("/account")
    assert (program.status_code, program.get_json()["error"]["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "login", [ME, "nobody@shop.example", "a\x00b", "\u00fc" * 100, "'; DROP TABLE users"]
)
def test_wrong_credentials_show_the_form_again(browse, login):
    """401 (or 422 for what no address can be), the same words for known and unknown; the error has the focus."""
    browser = browse()
    page = browser.log_in(login, "wrong-password")
    assert page.status_code == (422 if "\x00" in login else 401)
    elements = Elements(page.text)
    (alert,) = [found for _, found in elements.found if found.get("role") == "alert"]
    assert "autofocus" in alert
    assert "<title>Error: " in page.text
    assert (WRONG in page.text) is (page.status_code == 401)
    assert "wrong-password" not in page.text
    assert not browser.is_in


def test_the_form_is_for_everybody(browse):
    """Each field has its label, names what fills it, and points to the error; what was typed is still there."""
    elements = Elements(browse().log_in(ME, "wrong").text)
    fields = {found["id"]: found for found in elements.all("input") if found.get("type") != "hidden"}
    assert {label["for"] for label in elements.all("label")} == set(fields) == {"login", "password"}
    assert [field["autocomplete"] for field in fields.values()] == ["username", "current-password"]
    assert {field["aria-describedby"] for field in fields.values()} == {"login-error"}
    assert (fields["login"]["value"], fields["password"].get("value")) == (ME, None)


@pytest.mark.parametrize(
    "form",
    [{}, {"login": ME}, {"login": "", "password": ""}, {"login": "x" * 255, "password": "p"},
     {"login": ME, "password": "p" * 1_025}],
)  # fmt: skip
def test_a_form_that_is_not_filled_in_says_so(browse, form):
    """422 and what to do."""
    browser = browse()
    token = hidden(browser.get("/login"), "csrf_token")
    page = browser.client.post("/login", data={"csrf_token": token, **form}, headers=BROWSER)
    assert page.status_code == 422
    assert "Type your e-mail address and your password." in page.text


@pytest.mark.parametrize("field", ["csrf_token", "login", "password", "next"])
@pytest.mark.parametrize("value", ["%ff%fe", "%ed%a0%80", "%00", "%F0%9F%92%A9", "x" * 100_000])
def test_no_form_breaks_the_login(browse, field, value):
    """Bytes that are no text, half a surrogate pair, NUL, far too much: a page that says so, never a fault."""
    browser = browse()
    form = {
        "csrf_token": hidden(browser.get("/login"), "csrf_token"),
        "login": ME,
        "password": "wrong",
        field: value,
    }
    body = "&".join(f"{name}={sent}" for name, sent in form.items())
    page = browser.client.post(
        "/login", data=body, content_type="application/x-www-form-urlencoded", headers=BROWSER
    )
    assert (page.status_code in {400, 401, 422}, page.mimetype) == (True, "text/html"), page.status_code
    address = f"/login?next={value[:2000]}"
    assert browser.get(address).status_code == 200


@pytest.mark.parametrize(
    "cookie", ["", "\u00e9", "x.y.z", "0" * 16 + "." + "a" * 22 + "." + "b" * 43, "x" * 4_000]
)
def test_no_cookie_breaks_the_account(browse, cookie):
    """One that is no session leads to the form, and logging in then works."""
    browser = browse()
    browser.client.set_cookie("backend_session", cookie)
    assert browser.get("/account").location == "/login?next=/account"
    assert browser.log_in().location == "/account"
    assert browser.is_in


@pytest.mark.parametrize("token", [None, "", "x", "\u00e9", "of another browser"])
def test_another_site_cannot_send_the_form(browse, token):
    """Without the value of this browser's own cookie nobody is logged in, with the right password too."""
    browser = browse()
    browser.get("/login")
    if token == "of another browser":
        token = hidden(browse().get("/login"), "csrf_token")
    form = {"login": ME, "password": DEMO_PASSWORD, **({} if token is None else {"csrf_token": token})}
    assert browser.client.post("/login", data=form, headers=BROWSER).status_code == 400
    assert not browser.is_in


def test_without_the_cookie_the_form_is_refused(seeded):
    """An empty value on both sides is not the same value."""
    form = {"login": ME, "password": DEMO_PASSWORD, "csrf_token": ""}
    assert seeded.test_client().post("/login", data=form, headers=BROWSER).status_code == 400


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("", "/account"),
        ("/account?x=1", "/account?x=1"),
        *((evil, "/account") for evil in (
            "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/%2fevil.example",
            "javascript:alert(1)", "account", "/\t/evil.example", "/\r\nX: y",
        )),
    ],
)  # fmt: skip
def test_the_login_leads_to_paths_of_the_shop_only(browse, wanted, target):
    """`next` is followed if it is a path here; anything else leads to the account."""
    answer = browse().log_in(next=wanted)
    assert (answer.status_code, answer.location) == (303, target)


@pytest.mark.parametrize("shop_settings", [{"BACKEND_AUTH_FAILURES_FREE": 100}])
def test_failures_are_limited_as_those_of_the_api(browse):
    """The eleventh wrong password on one account is not looked at: 429, when to come back; the API counts them too."""
    browser = browse()
    assert [browser.log_in(ME, "wrong").status_code for _ in range(10)] == [401] * 10
    page = browser.log_in(ME, DEMO_PASSWORD)
    assert (page.status_code, 0 < int(page.headers["Retry-After"]) <= 900) == (429, True)
    assert "Too many logins have failed. Please try again in 15 minutes." in page.text
    body = {"login": ME, "password": DEMO_PASSWORD}
    assert browser.client.post("/auth/login", json=body).status_code == 429


def test_after_some_failures_each_attempt_waits(browse):
    """The sixth on one account is told to wait a second, in these words."""
    browser = browse()
    assert [browser.log_in(ME, "wrong").status_code for _ in range(5)] == [401] * 5
    page = browser.log_in(ME, DEMO_PASSWORD)
    assert (page.status_code, page.headers["Retry-After"]) == (429, "1")
    assert "Please try again in 1 second." in page.text


@pytest.mark.parametrize("login", [ME, ADMIN])
def test_the_account_shows_the_own_orders_and_logins(browse, login):
    """The newest of the own ones, for the staff too; where one is logged in, this browser marked."""
    browser = browse()
    browser.log_in(login)
    role = login.partition("@")[0]
    me = browser.client.get("/api/me", auth=LOGINS[role]).get_json()["data"]["id"]
    orders = browser.client.get("/api/orders?limit=100", auth=LOGINS[role]).get_json()["data"]
    page = browser.get("/account")
    assert [int(number) for number in re.findall(r"<td>(\d+)</td>", page.text)] == [
        order["id"] for order in orders if order["user_id"] == me
    ][:20]
    assert "Firefox of Ann <strong>(this one)</strong>" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_logging_out_ends_this_login_alone(browse, ann):
    """The cookie is worth nothing afterwards, even if it was copied; another browser goes on."""
    other = browse()
    other.log_in()
    copied = ann.client.get_cookie("backend_session").value
    answer = ann.send("/account/logout")
    assert (answer.status_code, answer.location) == (303, "/login?ended=here")
    assert "You are logged out." in ann.get(answer.location).text
    assert not ann.is_in
    ann.client.set_cookie("backend_session", copied)
    assert not ann.is_in
    assert other.is_in


def test_logging_out_everywhere_ends_cookies_and_tokens(browse, ann):
    """Another browser and a program with a token are out, somebody else is not."""
    other, stranger = browse(), browse()
    other.log_in()
    stranger.log_in(ADMIN)
    body = {"login": ME, "password": DEMO_PASSWORD, "delivery": "body"}
    token = ann.client.post("/auth/login", json=body).get_json()["data"]["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    program = browse().client
    assert program.get("/api/me", headers=bearer).status_code == 200
    assert ann.send("/account/logout-all").location == "/login?ended=everywhere"
    assert program.get("/api/me", headers=bearer).status_code == 401
    assert [browser.is_in for browser in (ann, other, stranger)] == [False, False, True]


def test_a_form_of_an_ended_login_leads_to_a_new_one(browse, ann):
    """401 with the form to log in by, and that nothing was changed; it leads back to the account."""
    other = browse()
    other.log_in()
    ann.send("/account/logout-all")
    answer = other.send("/account/logout-all")
    assert (answer.status_code, hidden(answer, "next")) == (401, "/account")
    assert "Nothing was changed: your login has ended." in answer.text


def test_one_login_can_be_ended(browse, ann):
    """Another of the own ones, by the button in its row; somebody else's stays."""
    other, stranger = browse(), browse()
    other.log_in()
    (button,) = re.findall(r'action="(/account/sessions/[^"]+/end)"', ann.get("/account").text)
    assert ann.send(button).location == "/account#logins"
    assert [ann.is_in, other.is_in] == [True, False]
    stranger.log_in(ADMIN)
    second = browse()
    second.log_in(ADMIN)
    (foreign,) = re.findall(r'action="(/account/sessions/[^"]+/end)"', stranger.get("/account").text)
    assert ann.send(foreign).status_code == 303
    assert [stranger.is_in, second.is_in] == [True, True]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", [None, "", "x", "\u00e9"])
def test_another_site_cannot_log_anybody_out(ann, path, token):
    """403, and what happened: nothing."""
    form = {} if token is None else {"csrf_token": token}
    answer = ann.client.post(path, data=form, headers=BROWSER)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "Nothing was changed" in answer.text
    assert ann.is_in


def test_an_api_key_is_not_enough_for_the_account(ann):
    """403, as a page for a browser: a program with a key neither sees nor ends logins."""
    token = ann.client.get_cookie("backend_session_csrf").value
    made = ann.client.post(
        "/auth/api-keys", json={"name": "n", "scopes": ["*"]}, headers={"X-CSRF-TOKEN": token}
    )
    key = {"X-API-Key": made.get_json()["data"]["key"]}
    ann.client.delete_cookie("backend_session")
    page = ann.client.get("/account", headers={**BROWSER, **key})
    assert (page.status_code, page.mimetype) == (403, "text/html")
    assert all(ann.client.post(path, headers=key).status_code == 403 for path in FORMS)
