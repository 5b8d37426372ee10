"""Logins that were begun elsewhere, by somebody else, before, or not at all."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

CODE = "OAUTH_STATE_INVALID"


def refused(answer: httpx.Response, code=CODE, status=400) -> bool:
    return (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_callback_without_its_cookie_is_refused(site, provider):
    """Login CSRF: the attacker's callback, opened in the victim's browser, logs nobody in."""
    callback = site.browser().begin().headers["Location"]
    victim = site.browser()
    answer = victim.get(callback)
    assert refused(answer)
    assert "Set-Cookie" not in answer.headers
    assert victim.me().status_code == 401
    assert "/token" not in provider.requests()
    assert site.users() == []


def test_a_callback_counts_once(site, provider):
    """The same URL again, in the same browser: 400, and the provider is not asked again."""
    browser = site.browser()
    callback = browser.begin().headers["Location"]
    assert browser.get(callback).status_code == 303
    assert browser.open_logins() == []
    assert refused(browser.get(callback))
    assert provider.requests()["/token"] == 1


def test_a_callback_with_a_kept_cookie_is_refused_by_the_provider(site):
    """Whoever has copied cookie and URL finds the code spent."""
    browser = site.browser()
    callback = browser.begin().headers["Location"]
    copied = {name: browser.http.cookies[name] for name in browser.open_logins()}
    assert browser.get(callback).status_code == 303
    thief = site.browser()
    thief.http.cookies.update(copied)
    answer = thief.get(callback)
    assert refused(answer, "OAUTH_CODE_INVALID")
    assert thief.me().status_code == 401


def test_the_cookie_goes_whatever_comes_of_the_login(common_site, provider):
    """Refused, denied or failed: the browser forgets the attempt."""
    for order in ({"deny": "access_denied"}, {"signature": "none"}, {"deny": "server_error"}):
        provider.reset()
        provider.order(**order)
        browser = common_site.browser()
        assert browser.log_in().status_code in (401, 403, 502)
        assert browser.open_logins() == []


FORGED_STATES = [
    "",
    "x",
    "\0",
    "ü",
    "x" * 10_000,
    "../..",
    "0" * 43,
    "%s%s",
    "{state}x",
    "{state} ",
    "X{state}",
]


@pytest.mark.parametrize("state", FORGED_STATES, ids=lambda state: repr(state)[:12])
def test_a_forged_state_is_refused(common_site, state):
    """Any other text than the state itself: 400."""
    browser = common_site.browser()
    callback = urlsplit(browser.begin().headers["Location"])
    query = parse_qs(callback.query)
    own = query["state"][0]
    query["state"] = [state.replace("{state}", own)]
    answer = browser.get(callback.path, params=query)
    assert refused(answer)


@pytest.mark.parametrize("missing", ["state", "code"])
def test_a_missing_parameter_is_refused(common_site, missing):
    """400."""
    browser = common_site.browser()
    callback = urlsplit(browser.begin().headers["Location"])
    query = {name: value for name, value in parse_qs(callback.query).items() if name != missing}
    assert refused(browser.get(callback.path, params=query))


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
def test_a_parameter_twice_is_refused(common_site, name):
    """RFC 6749, 3.1: it must not be there more than once."""
    browser = common_site.browser()
    callback = browser.begin().headers["Location"]
    assert refused(browser.get(f"{callback}&{name}=a&{name}=b"))


def test_parameters_that_nobody_knows_are_ignored(common_site):
    """Providers send `session_state`, `scope`, `authuser`."""
    browser = common_site.browser()
    callback = browser.begin().headers["Location"]
    assert browser.get(callback + "&session_state=1&scope=openid&scope=email&authuser=0").status_code == 303


FORGED_COOKIES = ["", "x", "a.b", "\\", "{value}x", "x{value}", "e30.AAAA", "." * 5_000, "{other}"]


@pytest.mark.parametrize("forged", FORGED_COOKIES, ids=lambda value: value[:12])
def test_a_forged_cookie_is_refused(common_site, forged):
    """Unsigned, changed, signed by another app: 400."""
    browser = common_site.browser()
    callback = browser.begin().headers["Location"]
    (name,) = browser.open_logins()
    value = browser.http.cookies[name]
    other = _signed_by_another_app(value) if forged == "{other}" else ""
    text = forged.replace("{value}", value).replace("{other}", other)
    stranger = common_site.browser()
    assert refused(stranger.get(callback, headers={"Cookie": f"{name}={text}"}))


def _signed_by_another_app(value):
    import hashlib

    from itsdangerous import URLSafeSerializer

    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    salt = "flask-backend-patterns.oauth"
    _, content = URLSafeSerializer("s" * 40, salt=salt, signer_kwargs=options).loads_unsafe(value)
    forged = URLSafeSerializer("o" * 40, salt=salt, signer_kwargs=options).dumps(content)
    genuine = URLSafeSerializer("s" * 40, salt=salt, signer_kwargs=options).dumps(content)
    assert genuine == value  # so what is forged is the signature alone
    return forged


def test_two_tabs_log_in_independently(common_site):
    """Two logins begun in one browser, ended in the other order, each going to its own page."""
    browser = common_site.browser()
    first = browser.begin(query="?next=/a").headers["Location"]
    second = browser.begin(query="?next=/b").headers["Location"]
    assert len(browser.open_logins()) == 2
    assert browser.get(first).headers["Location"] == "/a"
    assert browser.get(second).headers["Location"] == "/b"


def test_a_browser_keeps_a_few_open_logins_only(common_site):
    """Logins begun again and again push the oldest out: the cookies never fill the request."""
    browser = common_site.browser()
    callbacks = [browser.begin().headers["Location"] for _ in range(12)]
    assert len(browser.open_logins()) == 6
    assert browser.get(callbacks[-1]).status_code == 303


def test_a_login_of_one_provider_does_not_end_at_another(make_site, provider, second_provider):
    """Mix-up: the attempt remembers its provider, and the cookie goes to its routes only."""
    site = make_site({"first": provider, "second": second_provider})
    browser = site.browser()
    callback = browser.begin("first").headers["Location"]
    assert refused(browser.get(callback.replace("/first/", "/second/")))
    (name,) = browser.open_logins()
    header = {"Cookie": f"{name}={browser.http.cookies[name]}"}
    # Also if the attacker, whose provider the second is, has it name itself.
    moved = callback.replace("/first/", "/second/").partition("&iss=")[0] + "&iss=" + second_provider.issuer
    assert refused(site.browser().get(moved, headers=header))
    assert "/token" not in second_provider.requests()


def test_an_answer_that_another_provider_gave_is_refused(make_site, provider, second_provider):
    """RFC 9207: the attacker's provider sends the browser to the honest one's callback."""
    site = make_site({"first": provider, "second": second_provider})
    browser = site.browser()
    callback = browser.begin("first").headers["Location"]
    changed = callback.partition("&iss=")[0] + "&iss=" + second_provider.issuer
    assert refused(browser.get(changed))
    assert "/token" not in provider.requests()


@pytest.mark.parametrize("age", [0, 590, 605, 86_400, -30, -3_600])
def test_an_attempt_lives_ten_minutes(common_site, provider, age, monkeypatch):
    """Counted by the signed time, not by the browser: older ones, and those from the future, are refused."""
    import time

    from flask_backend_patterns.auth.oauth import routes

    class Earlier:
        @staticmethod
        def time():
            return time.time() - age

    monkeypatch.setattr(routes, "time", Earlier)
    browser = common_site.browser()
    answer = browser.log_in()
    assert (answer.status_code == 303) is (-60 <= age <= 600)


def test_a_secret_that_was_replaced_still_verifies(make_site, provider):
    """SECRET_KEY_FALLBACKS: logins under way survive the change of SECRET_KEY."""
    old = make_site({"first": provider})
    browser = old.browser()
    callback = browser.begin().headers["Location"]
    new = make_site({"first": provider}, SECRET_KEY="n" * 40, SECRET_KEY_FALLBACKS=["s" * 40])
    cookie = "; ".join(f"{name}={browser.http.cookies[name]}" for name in browser.open_logins())
    moved = callback.replace(old.url, new.url)
    assert new.browser().get(moved, headers={"Cookie": cookie}).status_code == 303


BAD_PATHS = [
    *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\\/evil.example"),
    *(
        "https://evil.example",
        "https:evil.example",
        "http:/evil.example",
        "javascript:alert(1)",
        "evil.example",
    ),
    *("", " /x", "/x\r\nSet-Cookie: a=b", "/\t/evil.example", "/\n/evil.example", "/x\0", "\t//evil.example"),
    *(
        "/%2Fevil.example",
        "/%2f%2fevil.example",
        "/%5Cevil.example",
        "/%252Fevil.example",
        "/%09/evil.example",
    ),
    *("/.//evil.example", "/x/..//evil.example", "/../x", "/%2e%2e/x", "/x//y", "?x", "#x", "@evil.example"),
    *("/" + "x" * 3_000, "/" + "ü" * 400, "data:text/html,x", "/%25252525252Fevil.example"),
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: repr(path)[:30])
def test_no_open_redirect(common_site, provider, path):
    """What leads, or might lead, to another site is refused before the login begins: 422 that names the field."""
    answer = common_site.browser().get("/auth/oauth/first", params={"next": path})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "next"
    assert "Set-Cookie" not in answer.headers
    assert provider.requests() == {}


GOOD_PATHS = [
    ("/", "/"),
    ("/orders", "/orders"),
    ("/orders?next=//evil.example", "/orders?next=//evil.example"),
    ("/orders?url=https://x.example/#top", "/orders?url=https://x.example/#top"),
    ("/übersicht", "/%C3%BCbersicht"),
    ("/a%20b", "/a%20b"),
    ("/a b?q=c d", "/a%20b?q=c%20d"),
    ("/@ada", "/@ada"),
    ("/.well-known/x", "/.well-known/x"),
]


@pytest.mark.parametrize(("path", "location"), GOOD_PATHS)
def test_paths_of_the_site_are_kept(common_site, path, location):
    """Also with queries, fragments and letters beyond ASCII."""
    browser = common_site.browser()
    to_provider = browser.get("/auth/oauth/first", params={"next": path})
    answer = browser.get(browser.get(to_provider.headers["Location"]).headers["Location"])
    assert answer.headers["Location"] == location


def test_a_failure_can_lead_to_a_page(make_site, provider):
    """`failure_path` gets browsers there with the code; clients that ask for JSON get the error."""
    site = make_site({"first": provider}, oauth={"failure_path": "/login?by=first"})
    provider.order(deny="access_denied")
    answer = site.browser().log_in()
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/login?by=first&error=OAUTH_LOGIN_DENIED",
    )
    as_json = site.browser().log_in(headers={"Accept": "application/json"})
    assert refused(as_json, "OAUTH_LOGIN_DENIED", 403)


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"deny": "access_denied"}, 403, "OAUTH_LOGIN_DENIED"),
        ({"deny": "temporarily_unavailable"}, 503, "NETWORK_ERROR"),
        ({"deny": "server_error"}, 502, "THIRD_PARTY_ERROR"),
        ({"signature": "none"}, 401, "INVALID_ID_TOKEN"),
        ({"claims": {"nonce": "x"}}, 401, "INVALID_ID_TOKEN"),
        ({"answers": {"/token": {"status": 500}}}, 502, "THIRD_PARTY_ERROR"),
        ({"answers": {"/token": {"status": 200, "body": "x"}}}, 502, "THIRD_PARTY_ERROR"),
    ],
)
def test_failures_answer_in_our_format(common_site, provider, order, status, code):
    """Status, code, a message that says what to do, and nothing of the reason."""
    provider.order(**order)
    answer = common_site.browser().log_in()
    assert refused(answer, code, status)
    assert provider.issuer not in answer.text


def test_failed_codes_count_against_the_address(make_site, provider):
    """After so many refused codes an address gets 429, and the provider is left in peace."""
    site = make_site({"first": provider}, BACKEND_AUTH_FAILURES_PER_ADDRESS="3/minute")
    for _ in range(3):
        browser = site.browser()
        callback = browser.begin().headers["Location"]
        assert refused(browser.get(callback.replace("code=", "code=x")), "OAUTH_CODE_INVALID")
    answer = site.browser().log_in()
    assert refused(answer, "RATE_LIMIT_EXCEEDED", 429)
    assert provider.requests()["/token"] == 3


def test_a_provider_that_is_down_answers_503(make_site, provider):
    """At the first click; other providers and the app go on."""
    site = make_site({"first": provider})
    provider.stop()
    answer = site.browser().get("/auth/oauth/first")
    assert refused(answer, "NETWORK_ERROR", 503)
    assert "Retry-After" in answer.headers
    assert "Set-Cookie" not in answer.headers
