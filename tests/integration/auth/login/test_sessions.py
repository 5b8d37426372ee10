"""Refreshing, logging out, the list of sessions."""

import jwt
import pytest
from redis import Redis


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


def test_refreshing_gives_the_roles_of_today(site):
    """A role that was given after the login is in the next token."""
    tokens = site.tokens()
    site.change_user(roles=["admin"])
    fresh = site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).get_json()["data"]
    assert site.auth.verifier.verify(fresh["access_token"]).roles == ("admin",)
    assert site.me(fresh["access_token"]) == 200


@pytest.mark.parametrize("change", [{"is_active": False}, None], ids=["inactive", "deleted"])
def test_who_may_not_log_in_may_not_refresh(site, change):
    """An account that is switched off or gone ends with the access token."""
    tokens = site.tokens()
    if change is None:
        with site.app.app_context():
            site.app.db.session.delete(site._row("ada@example.com"))
            site.app.db.session.commit()
    else:
        site.change_user(**change)
    refused = site.post("/refresh", {"refresh_token": tokens["refresh_token"]})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "TOKEN_REVOKED")


def test_refreshing_wants_a_verified_address_where_logging_in_does(make_site):
    """`require_verified` holds for refreshes too."""
    from datetime import UTC, datetime

    site = make_site(blueprint={"require_verified": True})
    site.change_user(verified_at=datetime.now(UTC))
    tokens = site.tokens()
    site.change_user(verified_at=None)
    assert site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401


def test_refreshing_without_a_token(site):
    """Nothing sent is a 401 that says what to send."""
    for body in (None, {}):
        refused = site.post("/refresh", body)
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "UNAUTHORIZED")


def test_invented_refresh_tokens_are_counted_by_address(make_site):
    """Who invents tokens is stopped; tokens that have ended were good once, and logins are counted apart."""
    site = make_site(BACKEND_AUTH_FAILURES_PER_ADDRESS="3/hour", BACKEND_AUTH_REFRESH_GRACE_SECONDS=0)
    ended = site.tokens()["refresh_token"]
    site.post("/logout", {"refresh_token": ended})
    for _ in range(5):
        assert site.post("/refresh", {"refresh_token": ended}).status_code == 401
    statuses = [site.post("/refresh", {"refresh_token": f"invented.{n}.x"}).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert site.login().status_code == 200
    assert site.post("/refresh", {"refresh_token": "x"}, address="10.0.0.9").status_code == 401


def forged(token):
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{signature[::-1]}"


STATES = {
    "live": lambda site, tokens: tokens,
    "revoked": lambda site, tokens: (
        site.post("/logout", {"refresh_token": tokens["refresh_token"]}) and tokens
    ),
    "rotated": lambda site, tokens: (
        site.post("/refresh", {"refresh_token": tokens["refresh_token"]}) and tokens
    ),
    "forged": lambda site, tokens: {
        "access_token": forged(tokens["access_token"]),
        "refresh_token": forged(tokens["refresh_token"]),
    },
    "garbage": lambda site, tokens: {"access_token": "ä b,c", "refresh_token": "\u2028" * 50},
}


@pytest.mark.parametrize("place", ["body", "header", "both"])
@pytest.mark.parametrize("state", STATES)
def test_logging_out_never_fails(site, state, place):
    """T3: live, revoked, rotated, forged or no token: logged out is a 200; only one of ours ends a session."""
    login = site.tokens()
    tokens = STATES[state](site, login)
    body = {} if place == "header" else {"refresh_token": tokens["refresh_token"]}
    header = (
        {}
        if place == "body"
        else {"Authorization": f"Bearer {tokens['access_token']}".encode().decode("latin-1")}
    )
    answer = site.post("/logout", body, headers=header)
    assert (answer.status_code, answer.get_json()["data"]) == (200, {"message": "You are logged out."})
    assert site.me(login["access_token"]) == (200 if state in {"forged", "garbage"} else 401)


def test_logging_out_with_an_expired_token(site):
    """T3: a token that has expired ends its session, which a refresh token still holds."""
    tokens = site.tokens()
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    expired = jwt.encode(claims | {"exp": int(claims["iat"]) - 10}, "k" * 40, algorithm="HS256")
    assert site.me(expired) == 401
    assert site.post("/logout", token=expired).status_code == 200
    assert site.post("/refresh", {"refresh_token": tokens["refresh_token"]}).status_code == 401


def test_logging_out_with_nothing(site):
    """T3: who has no token, or sends no body, is logged out."""
    assert site.post("/logout").status_code == 200
    assert site.post("/logout", {}, headers={"Authorization": "Basic eDp5"}).status_code == 200


def test_the_list_shows_ones_own_sessions(site):
    """Each login once, the current one marked; nobody else's."""
    site.add_user("bob@example.com")
    site.tokens(login="bob@example.com")
    first, second = site.tokens(), site.tokens()
    sessions = site.request("GET", "/auth/sessions", token=first["access_token"]).get_json()["data"]
    assert {item["id"]: item["is_current"] for item in sessions} == {
        first["session_id"]: True,
        second["session_id"]: False,
    }


def test_ending_one_session(site):
    """One's own other session ends at once; the answer is 204, and 404 the second time."""
    first, second = site.tokens(), site.tokens()
    path = f"/auth/sessions/{second['session_id']}"
    assert site.request("DELETE", path, token=first["access_token"]).status_code == 204
    assert site.me(second["access_token"]) == 401
    assert site.me(first["access_token"]) == 200
    assert site.request("DELETE", path, token=first["access_token"]).status_code == 404


def test_somebody_elses_session_is_not_found(site, redis_url):
    """Another user's session, and anything else that is none of one's own, is a 404, goes on, and leaves no trace."""
    site.add_user("bob@example.com")
    bob, ada = site.tokens(login="bob@example.com"), site.tokens()
    with Redis.from_url(redis_url) as client:
        before = set(client.scan_iter())
    for name in (bob["session_id"], "x", "%00", "ü", "a" * 3_000, "..%2F", "%F0%9F%92%A9", "*", "{x}"):
        answer = site.request("DELETE", f"/auth/sessions/{name}", token=ada["access_token"])
        assert answer.status_code == 404, name
    assert site.me(bob["access_token"]) == 200
    with Redis.from_url(redis_url) as client:
        assert set(client.scan_iter()) == before


def test_logging_out_everywhere(site):
    """Every token of the user is refused, nobody else's."""
    site.add_user("bob@example.com")
    bob, first, second = site.tokens(login="bob@example.com"), site.tokens(), site.tokens()
    assert site.post("/logout-all", token=first["access_token"]).status_code == 200
    assert [site.me(item["access_token"]) for item in (bob, first, second)] == [200, 401, 401]
    assert site.post("/refresh", {"refresh_token": second["refresh_token"]}).status_code == 401
