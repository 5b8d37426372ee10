"""BACKEND_AUTH_OAUTH_PROVIDERS: what is wrong is said, all of it at once, and no secret with it."""

import pytest

from flask_backend_patterns import ConfigError
from flask_backend_patterns.auth.oauth import provider_problems
from flask_backend_patterns.auth.oauth.provider import ALGORITHMS, is_trustworthy_url, read_providers

GOOD = {"issuer": "https://id.example", "client_id": "shop", "client_secret": "hush-hush"}


def test_a_provider_is_read():
    """With what it leaves out at its defaults."""
    provider = read_providers({"acme": GOOD})["acme"]
    assert (provider.name, provider.issuer, provider.scopes) == (
        "acme",
        GOOD["issuer"],
        ("openid", "email", "profile"),
    )
    assert "hush-hush" not in repr(provider)


def test_none_is_no_provider():
    """Nothing set, nothing wrong."""
    assert provider_problems(None) == []
    assert read_providers(None) == {}


FAULTS = [
    ("text", "expected {name"),
    ([GOOD], "expected {name"),
    ({"Acme": GOOD}, "'Acme'"),
    ({"a/b": GOOD}, "'a/b'"),
    ({7: GOOD}, "7"),
    ({"x" * 33: GOOD}, "up to 32"),
    ({"acme": "https://id.example"}, "expected {issuer"),
    ({"acme": {"client_id": "shop"}}, "issuer is missing"),
    ({"acme": {**GOOD, "client_id": None}}, "client_id is missing"),
    ({"acme": {**GOOD, "client_id": 7}}, "client_id is wrong"),
    ({"acme": {**GOOD, "client_secret": ""}}, "client_secret is wrong"),
    ({"acme": {**GOOD, "client_secret": b"hush-hush"}}, "client_secret is wrong"),
    ({"acme": {**GOOD, "issuer": "http://id.example"}}, "issuer is"),
    ({"acme": {**GOOD, "issuer": "https://id.example?x=1"}}, "no query"),
    ({"acme": {**GOOD, "issuer": "https://id.example/" + "x" * 255}}, "at most 255"),
    ({"acme": {**GOOD, "redirect_uri": "http://shop.example/"}}, "redirect_uri is"),
    ({"acme": {**GOOD, "scopes": ["email"]}}, "openid"),
    ({"acme": {**GOOD, "scopes": []}}, "scopes is"),
    ({"acme": {**GOOD, "scopes": 7}}, "scopes is"),
    ({"acme": {**GOOD, "scopes": ["openid", "a b"]}}, "scopes is"),
    ({"acme": {**GOOD, "algorithms": ["HS256"]}}, "HS256"),
    ({"acme": {**GOOD, "algorithms": ["RS256", "none"]}}, "none"),
    ({"acme": {**GOOD, "authentication": "private_key_jwt"}}, "private_key_jwt"),
    ({"acme": {**GOOD, "client_secret": None, "authentication": "client_secret_post"}}, "no client_secret"),
    ({"acme": {**GOOD, "parameters": "prompt=login"}}, "parameters is wrong"),
    ({"acme": {**GOOD, "parameters": {"max_age": 7}}}, "parameters is wrong"),
    ({"acme": {**GOOD, "parameters": {"state": "x"}}}, "state"),
    ({"acme": {**GOOD, "parameters": {"code_challenge_method": "plain"}}}, "code_challenge_method"),
    ({"acme": {**GOOD, "secret": "hush-hush"}}, "secret is not known"),
]


@pytest.mark.parametrize(("configured", "said"), FAULTS, ids=lambda value: repr(value)[:40])
def test_a_fault_is_told(configured, said):
    """One sentence that names the key; the client secret is not shown."""
    (problem,) = provider_problems(configured)
    assert problem.startswith("BACKEND_AUTH_OAUTH_PROVIDERS")
    assert said in problem
    assert "hush-hush" not in problem
    with pytest.raises(ConfigError):
        read_providers(configured)


def test_all_faults_are_told_at_once():
    """Of all providers."""
    assert len(provider_problems({"a": {}, "b": {"issuer": "x", "client_id": "y"}, "C": GOOD})) == 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_asymmetric_algorithm_may_be_chosen(algorithm):
    """And there is no other kind."""
    assert read_providers({"acme": {**GOOD, "algorithms": [algorithm]}})["acme"].algorithms == (algorithm,)
    assert not algorithm.startswith(("HS", "none"))


@pytest.mark.parametrize(
    ("url", "is_fit"),
    [
        ("https://id.example", True),
        ("https://id.example:8443/realms/shop", True),
        ("http://127.0.0.1:5000", True),
        ("http://localhost/", True),
        ("http://[::1]:80/", True),
        ("http://127.0.0.1.evil.example/", False),
        ("http://localhost.evil.example/", False),
        ("http://10.0.0.1/", False),
        ("http://2130706433/", False),
        ("HTTP://id.example/", False),
        ("https://user@id.example/", False),
        ("https:///path", False),
        ("https:id.example", False),
        ("https://id.example/\n", False),
        ("https://ïd.example/", False),
        ("https://[::1", False),
        ("https://id.example:99999/", False),
        ("", False),
        (None, False),
        (b"https://id.example", False),
    ],
)
def test_which_urls_may_be_trusted(url, is_fit):
    """https, or http on this machine."""
    assert is_trustworthy_url(url) is is_fit
