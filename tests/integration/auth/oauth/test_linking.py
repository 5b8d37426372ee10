"""Linking another provider while logged in: who may, and how often. Nothing here depends on the database."""

import time
from functools import partial

from flask_backend_patterns.auth.declarations import RequireAuth


def code_of(answer) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


def later(seconds: float) -> float:
    return time.time() + seconds


def told(provider, **user) -> None:
    """Whom the provider logs in."""
    provider.order(user={"sub": "u-1", "email": "ada@example.org", "email_verified": True, **user})


def test_who_is_logged_in_links_another_provider(sites):
    """Whatever address it tells; from then on both open the one account."""
    site, browser = sites
    answer = browser.get(browser.link("second"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    (user,) = site.users()
    assert sorted(site.links()) == [("c-1", user.auth_id), ("u-1", user.auth_id)]
    other = site.browser()
    other.log_in("second")
    assert other.me().json()["data"]["id"] == user.auth_id


def test_linking_again_changes_nothing(sites):
    """Twice is as good as once."""
    site, browser = sites
    for _ in range(2):
        assert browser.get(browser.link("second")).status_code == 303
    assert len(site.links()) == 2


def test_a_logged_in_browser_that_only_logs_in_links_nothing(sites):
    """A link has to be asked for: else any page could send a browser through the login, and leave a way in behind."""
    site, browser = sites
    browser.log_in("second")
    assert len(site.users()) == 2
    assert len({user_id for _, user_id in site.links()}) == 2


def test_linking_needs_a_login(site):
    """401 for strangers."""
    assert site.browser().post("/auth/oauth/first/link").status_code == 401


def test_linking_needs_the_csrf_token(sites):
    """A page of another site cannot ask for it."""
    _, browser = sites
    assert code_of(browser.post("/auth/oauth/second/link")) == (403, "CSRF_FAILED")


def test_linking_needs_a_recent_login(make_site, provider, monkeypatch):
    """Who stole a token some time ago cannot make it a way in for ever."""
    site = make_site({"first": provider}, oauth={"link_fresh_seconds": 100})
    browser = site.browser()
    browser.log_in()
    csrf = {"X-CSRF-TOKEN": browser.http.cookies["csrf_access_token"]}
    enforcement = site.app.extensions["backend_patterns"].enforcers[RequireAuth].__self__
    for passed, status in ((80, 200), (120, 401)):
        monkeypatch.setattr(enforcement, "_clock", partial(later, passed))
        assert browser.post("/auth/oauth/first/link", headers=csrf).status_code == status


def test_a_link_ends_with_the_user_who_asked_for_it(sites, provider):
    """Another login in between, in the same browser: refused."""
    site, browser = sites
    callback = browser.link("second")
    told(provider, sub="e-1", email="eve@example.org")
    browser.log_in("first")
    assert code_of(browser.get(callback)) == (400, "OAUTH_STATE_INVALID")
    assert "c-1" not in dict(site.links())


def test_a_link_with_a_token_in_a_header(sites):
    """Such a client's browser has no cookie of its login: the signed one of the attempt stands for it."""
    site, _ = sites
    told_tokens = site.browser().log_in("first", headers={"Accept": "application/json"}).json()["data"]
    browser = site.browser()
    header = {"Authorization": f"Bearer {told_tokens['access_token']}"}
    begun = browser.post("/auth/oauth/second/link", headers=header).json()["data"]
    callback = browser.get(begun["authorization_url"]).headers["Location"]
    answer = browser.get(callback, headers={"Accept": "application/json"})
    assert answer.json() == {"data": {"linked": "second"}}
    assert dict(site.links())["c-1"] == dict(site.links())["u-1"]


def test_an_inactive_user_links_nothing(sites):
    """Deactivated while at the provider: 403."""
    site, browser = sites
    callback = browser.link("second")
    with site.app.app_context():
        site.app.db.session.get(site.app.User, 1).is_active = False
        site.app.db.session.commit()
    assert code_of(browser.get(callback)) == (403, "OAUTH_ACCOUNT_REFUSED")
    assert len(site.links()) == 1
