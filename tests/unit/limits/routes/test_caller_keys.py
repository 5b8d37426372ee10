"""The texts that stand for callers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns.limits.keys import CallerKeys, bounded
from flask_backend_patterns.limits.networks import Networks
from flask_backend_patterns.limits.request_limits import RequestLimits
from flask_backend_patterns.limits.route_limits import RouteLimits


@dataclass(frozen=True)
class Caller:
    id: str = "7"
    roles: tuple[str, ...] = ()
    method: str = "jwt"
    credential_id: str | None = None


class Silent:
    def warning(self, event, **fields):
        raise AssertionError(event)


def key_of(word, caller=None, environ=None, exempt=()):
    def identify():
        if isinstance(caller, Exception):
            raise caller
        return caller

    keys = CallerKeys(identify=identify, exempt=Networks(exempt), knows_proxies=True, log=Silent())
    given = {"REMOTE_ADDR": "10.0.0.1", "REQUEST_METHOD": "GET", **(environ or {})}
    return keys.of(word)(RequestLimits(given, RouteLimits(), identify))


@given(st.text(), st.text())
def test_texts_stay_short_printable_and_apart(first, second):
    """Whatever is sent: 8 KB, control characters, lone surrogates, hashes of other texts."""
    for text in (first, second):
        assert len(bounded(text)) <= 64
        assert bounded(text).isascii()
        assert bounded(text).isprintable()
        assert " " not in bounded(text)
    assert (bounded(first) == bounded(second)) is (first == second)
    assert bounded(bounded(first)) == bounded(first) or bounded(first).startswith("#")


def test_a_text_that_looks_like_a_hash_is_hashed():
    """Nobody is taken for somebody else by sending that one's hash."""
    assert bounded(bounded("x" * 100)) != bounded("x" * 100)
    assert bounded("\ud800").startswith("#")


@pytest.mark.parametrize(
    ("caller", "key"),
    [
        (Caller(method="api_key", credential_id="k1"), "k:k1"),
        (Caller(method="api_key", credential_id=None), "u:7"),
        (Caller(method="jwt", credential_id="jti"), "u:7"),
        (None, "a:10.0.0.1"),
        (RuntimeError("the database is away"), "a:10.0.0.1"),
    ],
)
def test_api_keys_are_counted_apart(caller, key):
    """Those that authenticated; a guessed one is nobody's, so guesses do not get a bucket each."""
    assert key_of("api_key", caller) == key


@pytest.mark.parametrize("value", [5, "5", UUID(int=5)])
def test_functions_may_give_text_numbers_and_uuids(value):
    """The same number is the same caller in either form."""
    app = Flask("x")
    with app.test_request_context():
        assert key_of(lambda: value) == f"f:{value}"


def test_many_addresses_do_not_grow_the_process():
    """Anybody may come from any address of a /48."""
    keys = CallerKeys(identify=lambda: None, exempt=Networks(()), knows_proxies=True, log=Silent())
    for number in range(1, 25_000):
        environ = {"REMOTE_ADDR": f"2001:db8:{number:x}::1"}
        assert (
            keys.address(RequestLimits(environ, RouteLimits(), lambda: None)) == f"a:2001:db8:{number:x}::/64"
        )
    assert len(keys._known) <= 10_000
