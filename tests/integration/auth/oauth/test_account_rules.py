"""Which claims open which account: rules of ours, the same on every database (`test_accounts.py` is about those)."""

import pytest


def code_of(answer) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


def told(provider, **user) -> None:
    """Whom the provider logs in."""
    provider.order(user={"sub": "u-1", "email": "ada@example.org", "email_verified": True, **user})


@pytest.mark.parametrize("is_verified_here", [True, False])
@pytest.mark.parametrize("email_verified", [True, False, None, "true", 1])
def test_only_an_address_proven_on_both_sides_links(site, provider, is_verified_here, email_verified):
    """Else whoever made an account at either side with somebody's address would get into the other (409 or 403)."""
    site.add_user(is_verified=is_verified_here)
    told(provider, email_verified=email_verified)
    browser = site.browser()
    answer = browser.log_in()
    if email_verified is True and is_verified_here:
        assert answer.status_code == 303
        return
    assert code_of(answer) == (
        (409, "OAUTH_ACCOUNT_EXISTS") if email_verified is True else (403, "OAUTH_ACCOUNT_REFUSED")
    )
    assert site.links() == []
    assert browser.me().status_code == 401


def test_who_has_an_account_is_not_told_to_strangers(site, provider):
    """An unproven address gets one answer, whether it has an account here or not."""
    site.add_user()
    told(provider, email_verified=False)
    with_account = site.browser().log_in().json()["error"]
    told(provider, email="nobody@example.org", email_verified=False)
    without = site.browser().log_in().json()["error"]
    assert {**with_account, "request_id": ""} == {**without, "request_id": ""}


@pytest.mark.parametrize("user", [{"email": None}, {"email": ""}, {"email": "ada"}, {"email": 7}], ids=str)
def test_without_an_address_there_is_no_account(site, provider, user):
    """403 that says what to do; nothing is stored."""
    told(provider, **user)
    assert code_of(site.browser().log_in()) == (403, "OAUTH_ACCOUNT_REFUSED")
    assert site.users() == []


def test_registration_can_be_off(make_site, provider):
    """Strangers are refused, known ones and proven addresses are not."""
    site = make_site({"first": provider}, oauth={"registration": False})
    assert code_of(site.browser().log_in()) == (403, "OAUTH_ACCOUNT_REFUSED")
    assert site.users() == []
    user_id = site.add_user()
    assert site.browser().log_in().status_code == 303
    assert site.links() == [("u-1", user_id)]


def test_unverified_addresses_can_be_let_in(make_site, provider):
    """The account stays unverified, and the address may be told unverified; an account that exists stays closed."""
    site = make_site({"first": provider}, oauth={"unverified_registration": True})
    told(provider, email_verified=False)
    assert site.browser().log_in().status_code == 303
    (user,) = site.users()
    assert user.auth_is_verified is False
    told(provider, sub="u-2", email_verified=False)
    assert code_of(site.browser().log_in()) == (409, "OAUTH_ACCOUNT_EXISTS")
    told(provider, sub="u-3", email_verified=True)
    assert code_of(site.browser().log_in()) == (409, "OAUTH_ACCOUNT_EXISTS")


def test_claims_become_columns_only_if_the_app_says_so(make_site, provider):
    """`user_details` chooses; without it no claim is stored, whatever it is called."""
    told(provider, name="Ada", is_active=False, roles=["admin"])
    plain = make_site({"first": provider})
    plain.browser().log_in()
    (user,) = plain.users()
    assert (user.name, user.auth_is_active, tuple(user.auth_roles)) == (None, True, ())
