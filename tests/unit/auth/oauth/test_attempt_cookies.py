"""The signed cookies of open logins."""

import pytest
from flask import Response
from werkzeug.http import parse_cookie

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.oauth.attempt import Attempt, AttemptCookies


def attempt(**changed) -> Attempt:
    return Attempt(
        **{"provider": "p", "redirect_uri": "https://x/", "return_path": "/", "begun_at": 1_000, **changed}
    )


def kept(cookies: AttemptCookies, one: Attempt, *, sent=None, is_secure=False) -> dict[str, str]:
    """What a browser has afterwards."""
    response = Response()
    cookies.keep(one, response, sent=sent or {}, is_secure=is_secure, path="/p")
    jar = dict(sent or {})
    for line in response.headers.getlist("Set-Cookie"):
        jar |= parse_cookie(line.partition(";")[0])
        if "Max-Age=0" in line:
            del jar[line.partition("=")[0]]
    return jar


def test_what_was_kept_is_found():
    """By its state, over http and https."""
    cookies = AttemptCookies(["s"], clock=lambda: 1_000)
    for is_secure in (False, True):
        one = attempt(link_to="7")
        assert cookies.find(one.state, kept(cookies, one, is_secure=is_secure)) == one
    assert one.verifier not in repr(one)


@pytest.mark.parametrize(("now", "is_found"), [(939, False), (940, True), (1_600, True), (1_601, False)])
def test_it_counts_for_ten_minutes(now, is_found):
    """And a minute before, for machines whose clocks differ."""
    one = attempt()
    jar = kept(AttemptCookies(["s"]), one)
    assert (AttemptCookies(["s"], clock=lambda: now).find(one.state, jar) is not None) is is_found


def test_a_cookie_under_another_name_is_not_found():
    """The state of one attempt does not open the cookie of another."""
    cookies = AttemptCookies(["s"], clock=lambda: 1_000)
    one, other = attempt(), attempt()
    (name,), (value,) = kept(cookies, one), kept(cookies, other).values()
    assert cookies.find(one.state, {name: value}) is None


def test_the_newest_six_are_kept():
    """The oldest goes first, whatever its place among the cookies; cookies that are not ours stay."""
    cookies = AttemptCookies(["s"], clock=lambda: 1_100)
    jar = {"session": "x", "backend_oauth_0123456789abcdef": "forged"}
    made = [attempt(begun_at=1_000 + number) for number in (5, 3, 1, 2, 4, 6, 7, 8)]
    for one in made:
        jar = kept(cookies, one, sent=jar)
    found = [one.begun_at for one in made if cookies.find(one.state, jar)]
    assert sorted(found) == [1_003, 1_004, 1_005, 1_006, 1_007, 1_008]
    assert {"session", "backend_oauth_0123456789abcdef"} <= jar.keys()


@pytest.mark.parametrize("signed_by", [["s"], ["n", "s"], [b"s"]])
def test_older_secrets_verify(signed_by):
    """The first signs, all verify."""
    one = attempt()
    jar = kept(AttemptCookies(["s"], clock=lambda: 1_000), one)
    assert AttemptCookies(signed_by, clock=lambda: 1_000).find(one.state, jar) == one
    assert AttemptCookies(["n"], clock=lambda: 1_000).find(one.state, jar) is None


def test_the_first_secret_signs():
    """Not an older one."""
    one = attempt()
    jar = kept(AttemptCookies(["n", "s"], clock=lambda: 1_000), one)
    assert AttemptCookies(["n"], clock=lambda: 1_000).find(one.state, jar) == one


def test_without_a_secret_there_is_nothing_to_sign_with():
    """An error that names SECRET_KEY."""
    with pytest.raises(SetupError, match="SECRET_KEY"):
        AttemptCookies([])


def test_a_cookie_of_another_version_is_not_found():
    """Signed by us with other fields: begin again, no 500."""
    cookies = AttemptCookies(["s"], clock=lambda: 1_000)
    one = attempt()
    (name,) = kept(cookies, one)
    for content in ({}, [], None, 7, {"state": one.state}, "x"):
        assert cookies.find(one.state, {name: cookies._serializer.dumps(content)}) is None


@pytest.mark.parametrize("state", ["\ud800", "\0", "", "x" * 100_000])
def test_every_text_can_be_looked_for(state):
    """A state that is none finds nothing."""
    assert AttemptCookies(["s"]).find(state, {}) is None
