"""An address that two people registered: whoever reads its messages gets the account, and nothing of the other's stays."""

import pytest
from sqlalchemy import insert, select

from flask_backend_patterns.auth.tables import LINKED_IDENTITIES, ONE_TIME_TOKENS

ADDRESS = "eve@example.com"
STRANGERS, OWNERS, CHOSEN = "mallory battery staple", "purple correct horse", "tall giraffe paper clip"


@pytest.fixture
def database_url(sqlite_url):
    """What differs between databases is tested where tokens and registrations are."""
    return sqlite_url


def register(site, password, address="10.0.0.1"):
    assert (
        site.post("/register", {"login": ADDRESS, "password": password}, address=address).status_code == 202
    )
    return site.sent[-1]


def rows(site, table, *conditions):
    with site.app.app_context():
        found = site.app.db.metadata.tables[table]
        return site.app.db.session.execute(select(found).filter_by(**dict(conditions))).mappings().all()


@pytest.mark.parametrize("resends", [0, 1, 2])
@pytest.mark.parametrize("require_verified", [True, False])
def test_no_message_makes_a_strangers_password_count(make_site, require_verified, resends):
    """Whichever message the owner opens, those asked for by the stranger too: only the password chosen then counts."""
    site = make_site(blueprint={"require_verified": require_verified})
    first = register(site, STRANGERS, "6.6.6.6")
    second = register(site, OWNERS, "8.8.8.8")
    assert (first.kind, second.kind) == ("verify", "reset")
    for _ in range(resends):
        site.post("/verify/resend", {"login": ADDRESS}, address="6.6.6.6")
    register(site, STRANGERS, "6.6.6.6")
    assert {message.kind for message in site.sent[1:]} == {"reset"}
    assert site.post("/verify", {"token": first.token}).status_code == 422
    assert not site.user(ADDRESS).auth_is_verified
    body = {"token": site.sent[-1].token, "password": CHOSEN}
    assert site.post("/reset", body, address="8.8.8.8").status_code == 200
    statuses = [site.login(ADDRESS, one).status_code for one in (STRANGERS, OWNERS, CHOSEN)]
    assert statuses == [401, 401, 200]
    assert site.user(ADDRESS).auth_is_verified


def test_a_token_to_verify_that_was_issued_meanwhile_does_not_count(site):
    """It was on its way while the other one registered: it is looked at again when it is used."""
    register(site, STRANGERS)
    account = site.user(ADDRESS)
    register(site, OWNERS)
    with site.app.app_context():
        token = site.auth.one_time_tokens.issue(
            "verify", account.auth_id, ttl_seconds=600, data={"login": ADDRESS}
        )
    assert site.post("/verify", {"token": token}).status_code == 422
    assert not site.user(ADDRESS).auth_is_verified


def test_nothing_that_the_stranger_began_survives(make_site):
    """Where an unverified account may be used: sessions, API keys and linked identities end with the reset."""
    site = make_site(BACKEND_AUTH_AUTHENTICATORS="jwt,api_key", blueprint=with_keys())
    register(site, STRANGERS)
    tokens = site.tokens(login=ADDRESS, password=STRANGERS)
    key = site.post("/api-keys", {"name": "x"}, token=tokens["access_token"]).get_json()["data"]["key"]
    link(site, site.user(ADDRESS).auth_id)
    link(site, "somebody else")
    message = register(site, OWNERS)
    assert site.client.get("/me", headers={"X-API-Key": key}).status_code == 200
    assert site.post("/reset", {"token": message.token, "password": CHOSEN}).status_code == 200
    assert site.me(tokens["access_token"]) == 401
    assert site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert site.client.get("/me", headers={"X-API-Key": key}).status_code == 401
    assert [row["user_id"] for row in rows(site, LINKED_IDENTITIES)] == ["somebody else"]


def test_a_reset_of_a_verified_account_keeps_its_identities(site):
    """They were linked by somebody who had shown the address, or a login of a moment ago."""
    register(site, OWNERS)
    assert site.post("/verify", {"token": site.sent[-1].token}).status_code == 200
    link(site, site.user(ADDRESS).auth_id)
    site.post("/reset/request", {"login": ADDRESS})
    assert site.post("/reset", {"token": site.sent[-1].token, "password": CHOSEN}).status_code == 200
    assert len(rows(site, LINKED_IDENTITIES)) == 1


def test_after_a_reset_the_address_is_like_any_other(site):
    """Nothing is left of the quarrel: the owner is told of further attempts to register, without a token."""
    register(site, STRANGERS)
    message = register(site, OWNERS)
    site.post("/reset", {"token": message.token, "password": CHOSEN})
    assert register(site, STRANGERS).kind == "already_registered"
    assert rows(site, ONE_TIME_TOKENS, ("purpose", "contested")) == []
    site.change_user(ADDRESS, verified_at=None)
    site.post("/verify/resend", {"login": ADDRESS})
    assert site.sent[-1].kind == "verify"


def test_details_that_are_wrong_are_answered_alike(make_site):
    """For a known address too: what is wrong with a registration does not tell who has an account."""
    from marshmallow import Schema, fields

    class Details(Schema):
        role = fields.String()

    site = make_site(blueprint={"details": Details})
    answers = [
        site.post("/register", {"login": login, "password": OWNERS, "details": {"role": "admin"}})
        for login in ("ada@example.com", "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].get_json()["error"]["details"] == answers[1].get_json()["error"]["details"]


@pytest.mark.parametrize(
    "login", ["stranger@example.com", "my-password-in-the-wrong-field", "ü" * 40, "mallory"]
)
def test_what_a_stranger_typed_is_not_kept(site, login):
    """The row that an unknown address costs is as long as that of a known one, and names nobody."""
    site.add_user("ada" + login)
    assert site.post("/reset/request", {"login": "a" + login}).status_code == 202
    assert site.post("/reset/request", {"login": "ada" + login}).status_code == 202
    [decoy] = rows(site, ONE_TIME_TOKENS, ("purpose", "decoy"))
    [real] = rows(site, ONE_TIME_TOKENS, ("purpose", "reset"))
    assert login not in repr(decoy)
    assert login.encode("unicode_escape").decode() not in decoy["data"]
    assert len(decoy["data"]) == len(real["data"]) - len("da")


def with_keys():
    from flask_backend_patterns.auth.login.options import FEATURES

    return {"features": FEATURES}


def link(site, user_id):
    with site.app.app_context():
        table = site.app.db.metadata.tables[LINKED_IDENTITIES]
        row = {
            "issuer": "https://id.example",
            "subject": f"of {user_id}",
            "user_id": user_id,
            "created_at": 1,
        }
        site.app.db.session.execute(insert(table).values(row))
        site.app.db.session.commit()
