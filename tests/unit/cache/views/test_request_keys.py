"""Two requests share an entry only when they are equal in all that is declared."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
from flask import Request
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from flask_backend_patterns.auth.identity import Actor
from flask_backend_patterns.cache.near_cache import MISSING
from flask_backend_patterns.cache.view_cache.naming import Naming
from flask_backend_patterns.cache.view_cache.request_key import RequestKey
from flask_backend_patterns.cache.view_cache.stored_response import (
    KEPT_STATUSES,
    ResponseEncoder,
    StoredResponse,
)
from flask_backend_patterns.cache.view_cache.vary import Vary

TEXT = st.text(alphabet=st.sampled_from("ab,:;='\"\\/()%é\u200b"), max_size=4)
LATIN = st.text(alphabet=st.sampled_from("ab,:;='\"\\()"), max_size=3)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3)
ASKED = st.fixed_dictionaries(
    {
        "path": TEXT,
        "query": PAIRS,
        "host": st.sampled_from(["a.example", "b.example"]),
        "scheme": st.sampled_from(["http", "https"]),
        "language": st.none() | LATIN,
        "tenant": st.none() | LATIN,
        "accept": st.none() | LATIN,
        "actor": st.sampled_from(["", "a", "None", "('a',)"]),
        "roles": st.lists(LATIN, max_size=2, unique=True),
        "scopes": st.none() | st.lists(LATIN, max_size=2, unique=True),
    }
)

PARTS = sorted(
    ["path", "query", "host", "scheme", "language", "tenant", "accept", "actor", "roles", "scopes"]
)


def key_of(asked, vary, naming=None):
    headers = {"X-Language": asked["language"], "X-Tenant": asked["tenant"], "Accept": asked["accept"]}
    builder = EnvironBuilder(
        path="/" + asked["path"].replace("?", ""),
        query_string={},
        base_url=f"{asked['scheme']}://{asked['host']}/",
        headers={name: value for name, value in headers.items() if value is not None},
    )
    environ = builder.get_environ()
    environ["PATH_INFO"] = ("/" + asked["path"]).encode().decode("latin-1")
    from urllib.parse import urlencode

    environ["QUERY_STRING"] = urlencode(asked["query"])
    actor = SimpleNamespace(
        id=asked["actor"], is_authenticated=bool(asked["actor"]), roles=asked["roles"], scopes=asked["scopes"]
    )
    path = (naming or Naming.of(None, ())).of_path((), "test")
    return RequestKey("endpoint", vary, path, lambda: actor).of(Request(environ))


def declared(asked, identity):
    """What is told apart, in a form of its own."""
    lists: dict = {}
    for name, value in asked["query"]:
        lists.setdefault(name, []).append(value)
    who = {
        "actor": (
            asked["actor"],
            sorted(asked["roles"]),
            asked["scopes"] and sorted(asked["scopes"]),
            asked["scopes"] is None,
        ),
        "roles": (
            bool(asked["actor"]),
            sorted(asked["roles"]),
            asked["scopes"] and sorted(asked["scopes"]),
            asked["scopes"] is None,
        ),
        "shared": None,
    }[identity]
    return (
        asked["path"], lists, asked["host"], asked["scheme"], asked["language"], asked["tenant"],
        asked["accept"] or "*/*", who,
    )  # fmt: skip


@pytest.mark.parametrize("identity", ["actor", "roles", "shared"])
@settings(deadline=None)
@given(one=ASKED, other=ASKED, equal=st.lists(st.booleans(), min_size=len(PARTS), max_size=len(PARTS)))
def test_requests_share_a_key_only_when_all_that_is_declared_is_equal(identity, one, other, equal):
    """Whatever stands in the texts: separators, quotes, what looks like something else."""
    vary = Vary.of([identity, "header:X-Language", "header:X-Tenant"])
    other = other | {name: one[name] for name, is_same in zip(PARTS, equal, strict=True) if is_same}
    is_equal = declared(one, identity) == declared(other, identity)
    assert (key_of(one, vary) == key_of(other, vary)) is is_equal


def test_a_key_begins_with_the_endpoint_and_what_key_says():
    """So that people can invalidate by a prefix; the rest is a digest, of bounded length."""
    asked = {
        "path": "x", "query": [], "host": "a.example", "scheme": "http", "language": None, "tenant": None,
        "accept": None, "actor": "", "roles": [], "scopes": None,
    }  # fmt: skip
    vary = Vary.of(None)
    assert key_of(asked, vary).startswith("view:endpoint:")
    named = Naming.of("thing", ())
    assert key_of(asked, vary, named).startswith("view:endpoint:thing:")
    assert key_of(asked | {"path": "y"}, vary, named) == key_of(asked, vary, named)
    assert key_of(asked | {"host": "b.example"}, vary, named) != key_of(asked, vary, named)
    assert len(key_of(asked, vary, Naming.of("thing" * 1000, ()))) < 400


RESPONSES = st.builds(
    StoredResponse,
    status=st.sampled_from(sorted(KEPT_STATUSES)),
    stored_at=st.floats(0, 1e11),
    etag=LATIN,
    headers=st.lists(st.tuples(LATIN, LATIN), max_size=4).map(tuple),
    body=st.binary(max_size=50),
)


@settings(deadline=None)
@given(RESPONSES)
def test_a_response_comes_back_equal(response):
    """Types included."""
    encoder = ResponseEncoder()
    assert encoder.decode(encoder.encode(response)) == response


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_foreign_bytes_are_no_response(payload):
    """Whatever somebody has put into the store: a miss, never an error."""
    encoder = ResponseEncoder()
    for sent in (payload, b"\x01" + payload):
        found = encoder.decode(sent)
        assert found is MISSING or isinstance(found, StoredResponse)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stored_at": float("nan")},
        {"stored_at": float("inf")},
        {"status": 302},
        {"status": 99},
        {"etag": 'a"\r\nSet-Cookie: a=b'},
        {"headers": (("X-A", "b\nSet-Cookie: a=b"),)},
        {"headers": (("X-A\r\nSet-Cookie: a", "b"),)},
    ],
)
def test_what_could_not_be_sent_is_no_response(wrong):
    """Such bytes cannot come from us: a miss, neither a 500 nor a header of somebody else's."""
    sound = StoredResponse(status=200, stored_at=1.0, etag="a", headers=(("X-A", "b"),), body=b"{}")
    encoder = ResponseEncoder()
    assert encoder.decode(encoder.encode(sound)) == sound
    assert encoder.decode(encoder.encode(dataclasses.replace(sound, **wrong))) is MISSING


@pytest.mark.parametrize("identity", ["actor", "roles"])
def test_credentials_with_other_scopes_do_not_share(identity):
    """An API key with fewer scopes is not given what was made for one with all."""
    actors = [
        Actor(id="u", method="api_key", scopes=scopes)
        for scopes in (None, frozenset(), frozenset({"a"}), frozenset({"a", "b"}))
    ]
    asked = Request(EnvironBuilder(path="/x").get_environ())
    naming = Naming.of(None, ()).of_path((), "w")
    keys = {
        RequestKey("e", Vary.of([identity]), naming, lambda actor=actor: actor).of(asked) for actor in actors
    }
    assert len(keys) == len(actors)


@pytest.mark.parametrize("header", ["Content-Type", "X-Tenant"])
def test_each_header_counts_wherever_the_environment_has_it(header):
    """Two headers have names of their own there (RFC 3875, 4.1)."""
    naming = Naming.of(None, ()).of_path((), "w")
    key = RequestKey("e", Vary.of([f"header:{header}"]), naming, lambda: None)
    found = {
        key.of(Request(EnvironBuilder(path="/x", headers=headers).get_environ()))
        for headers in ({}, {header: "1"}, {header: "2"})
    }
    assert len(found) == 3
