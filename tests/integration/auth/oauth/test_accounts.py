"""Whose account a login by a provider opens: known, linked by a proven address, new, or none."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from flask_backend_patterns.auth.tables import LINKED_IDENTITIES

PROGRAM = Path(__file__).parent / "oauth_app.py"


@pytest.fixture
def site_database(database_url) -> str:
    """On each database."""
    return database_url


def code_of(answer) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


def told(provider, **user) -> None:
    """Whom the provider logs in."""
    provider.order(user={"sub": "u-1", "email": "ada@example.org", "email_verified": True, **user})


def test_a_proven_address_links_to_the_account_that_has_it(site):
    """Verified there and here: one account, and the next login finds it by the link."""
    user_id = site.add_user()
    browser = site.browser()
    assert browser.log_in().status_code == 303
    assert browser.me().json()["data"]["id"] == user_id
    assert site.links() == [("u-1", user_id)]
    assert len(site.users()) == 1


@pytest.mark.parametrize("email", ["ADA@example.org", "Ada@Example.ORG"])
def test_addresses_are_compared_without_regard_to_case(site, provider, email):
    """As people write them."""
    user_id = site.add_user()
    told(provider, email=email)
    site.browser().log_in()
    assert site.links() == [("u-1", user_id)]


@pytest.mark.parametrize(
    "email", ["\N{KELVIN SIGN}ate@example.org", "kate@exampl\u212f.org", "\u017fam@example.org"]
)
def test_addresses_that_only_look_alike_are_not_one(site, provider, email):
    """A letter that a database folds into an ASCII one opens nobody's account."""
    for login in ("kate@example.org", "sam@example.org"):
        site.add_user(login)
    told(provider, email=email)
    site.browser().log_in()
    assert {user_id for _, user_id in site.links()}.isdisjoint({"1", "2"})


def test_a_known_identity_needs_no_address(site, provider):
    """It is found by its subject."""
    site.browser().log_in()
    told(provider, email=None)
    assert site.browser().log_in().status_code == 303


def test_details_are_stored(make_site, provider):
    """What `user_details` returns."""
    site = make_site({"first": provider}, oauth={"user_details": lambda claims: {"name": claims["name"]}})
    told(provider, name="Ada \N{SNOWMAN}")
    site.browser().log_in()
    assert site.users()[0].name == "Ada \N{SNOWMAN}"


@pytest.mark.parametrize("is_linked", [True, False])
def test_inactive_users_are_refused(site, is_linked):
    """403, by a known identity and by a proven address; nothing is linked."""
    if is_linked:
        site.browser().log_in()
        with site.app.app_context():
            site.app.db.session.get(site.app.User, 1).is_active = False
            site.app.db.session.commit()
    else:
        site.add_user(is_active=False)
    browser = site.browser()
    assert code_of(browser.log_in()) == (403, "OAUTH_ACCOUNT_REFUSED")
    assert len(site.links()) == is_linked
    assert browser.me().status_code == 401


def test_a_deleted_user_does_not_come_back(site):
    """The link leads nowhere: 403, no new account behind the back of whoever deleted it."""
    site.browser().log_in()
    with site.app.app_context():
        site.app.db.session.delete(site.app.db.session.get(site.app.User, 1))
        site.app.db.session.commit()
    assert code_of(site.browser().log_in()) == (403, "OAUTH_ACCOUNT_REFUSED")
    assert site.users() == []


@pytest.mark.parametrize("subject", ["s" * 255, "' OR 1=1 --", "%", "_", "\\", "a b"])
def test_every_subject_is_one_person(site, provider, subject):
    """Quotes, wildcards and the longest ones are text like any other."""
    told(provider, sub=subject)
    site.browser().log_in()
    told(provider, sub=subject[:-1] + "x", email="eve@example.org")
    site.browser().log_in()
    assert len({user_id for _, user_id in site.links()}) == 2


def test_addresses_beyond_ascii(site, provider):
    """Internationalized addresses register, and come back."""
    told(provider, email="j\u00fcrgen@m\u00fcnchen.example")
    assert site.browser().log_in().status_code == 303
    assert site.browser().log_in().status_code == 303
    assert len(site.users()) == 1


def test_no_user_is_made_when_the_link_cannot_be(make_site, provider):
    """User and link are one commit: if the link fails the user is gone too."""
    site = make_site({"first": provider})
    with site.app.app_context():
        site.app.db.session.execute(site.app.db.text(f"DROP TABLE {LINKED_IDENTITIES}"))
        site.app.db.session.commit()
        site.app.db.session.execute(
            site.app.db.text(
                f"CREATE TABLE {LINKED_IDENTITIES} (issuer VARCHAR(255), subject VARCHAR(255), user_id VARCHAR(255),"
                " email VARCHAR(320), created_at BIGINT CHECK (created_at < 0))"
            )
        )
        site.app.db.session.commit()
    assert site.browser().log_in().status_code >= 400
    assert site.users() == []


def test_an_identity_of_somebody_else_is_not_linked(sites):
    """409, and it keeps opening its own account."""
    site, browser = sites
    site.browser().log_in("second")
    before = sorted(site.links())
    assert code_of(browser.get(browser.link("second"))) == (409, "OAUTH_IDENTITY_TAKEN")
    assert sorted(site.links()) == before


# --- At the same moment ----------------------------------------------------------------------------------------------

PROCESSES, THREADS = 2, 8


@pytest.fixture(scope="module")
def crowd():
    """Two processes that wait for orders; starting them takes longer than what they do."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    yield processes
    for process in processes:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


@pytest.mark.parametrize("exists", [False, True], ids=["a stranger", "an account with the address"])
def test_many_callbacks_at_once_make_one_account(
    site, site_database, redis_url, provider, crowd, watchdog, exists
):
    """16 browsers of one new person, in two processes: 16 logins, one user, one link."""
    if exists:
        site.add_user()
    orders = []
    for _ in range(PROCESSES):
        calls = []
        for _ in range(THREADS):
            browser = site.browser()
            callback = browser.begin().headers["Location"]
            cookies = "; ".join(f"{name}={browser.http.cookies[name]}" for name in browser.open_logins())
            path = callback.removeprefix(site.url)
            calls.append([path, {"Cookie": cookies, "Accept": "application/json", "Host": site.url[7:]}])
        settings = {
            "database": site_database,
            "redis": redis_url,
            "providers": {"first": provider.settings()},
        }
        orders.append({"settings": settings, "calls": calls})
    got = at_once(crowd, orders)
    failed = [answer for answer in got if answer[0] != 200]
    assert (len(got), failed) == (PROCESSES * THREADS, [])
    assert len(site.users()) == 1
    assert len(site.links()) == 1


@pytest.fixture
def watchdog(crowd):
    """Ends processes that do not answer, so that nobody waits for them for ever."""
    timer = Timer(120, lambda: [process.kill() for process in crowd])
    timer.start()
    yield
    timer.cancel()


def at_once(processes, orders):
    for process, order in zip(processes, orders, strict=True):
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [one for process in processes for one in json.loads(process.stdout.readline())]
