"""Names of keys, values of cookies, devices, and what is handed over at a login."""

import re
from enum import Enum, StrEnum
from threading import Thread

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns import SetupError
from flask_backend_patterns.auth.sessions import (
    CookieValue,
    Device,
    MissingSessionStore,
    SessionKeys,
    device_of_request,
)
from flask_backend_patterns.auth.sessions.given import role_names, subject_of


class Plain(str, Enum):  # noqa: UP042 - as many apps write it
    ADMIN = "admin"


class Modern(StrEnum):
    ADMIN = "admin"


@given(st.text())
def test_keys_of_a_user_share_one_hash_tag(subject):
    """Redis Cluster hashes what is between the first braces: the same for all keys of a user, whatever the id is."""
    of = SessionKeys("shop").of(subject)
    keys = [
        of.index,
        of.not_before,
        of.issued,
        of.session("{s}"),
        of.revoked_session("}"),
        of.revoked_token("t"),
    ]
    tags = {re.fullmatch(r"backend:auth:shop:\{([0-9a-f]{16})\}:.*", key, re.DOTALL)[1] for key in keys}
    assert len(tags) == 1
    assert len(set(keys)) == len(keys)


def test_apps_and_users_are_kept_apart():
    """Another scope or another user is another prefix; a session and a token of one id are two keys."""
    keys = SessionKeys("a")
    assert len({keys.of("x").prefix, keys.of("y").prefix, SessionKeys("b").of("x").prefix}) == 3
    assert keys.of("x").revoked_session("1") != keys.of("x").revoked_token("1")


@given(st.text() | st.from_regex(r"[0-9a-f]{16}\.[\w-]{22}\.[\w-]{43}\n?", fullmatch=True))
def test_any_text_may_come_as_a_cookie(text):
    """It is None, or exactly what was sent, in ASCII."""
    cookie = CookieValue.parse(text)
    assert cookie is None or (str(cookie) == text and text.isascii() and len(text) == 83)


def test_a_cookie_is_random_and_shows_no_secret():
    """256 bits of secret, the CSRF value follows from it and from nothing else, and neither is the hash that is stored."""
    one, two = CookieValue.new("anna"), CookieValue.new("anna")
    assert one.tag == two.tag
    assert one.session_id != two.session_id
    assert one.secret != two.secret
    assert len({one.secret, one.secret_hash, one.csrf, two.csrf}) == 4
    assert CookieValue.parse(str(one)) == one
    assert CookieValue.parse(str(one)).csrf == one.csrf
    assert one.secret not in repr(one)


@given(st.text(), st.text(), st.text())
def test_devices_are_short_and_printable(user_agent, address, name):
    """Whatever a client sends."""
    device = Device(user_agent=user_agent * 50, address=address * 50, name=name * 50)
    assert len(device.user_agent) <= 200
    assert len(device.name) <= 100
    assert len(device.address) <= 64
    assert all(text.isprintable() for text in (device.user_agent, device.address, device.name))


def test_the_device_of_a_request():
    """As the request says; a request that says nothing is fine."""
    app = Flask("app")
    with app.test_request_context(
        headers={"User-Agent": "Firefox"}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
    ):
        assert device_of_request("x") == Device(user_agent="Firefox", address="192.0.2.1", name="x")
    with app.test_request_context(environ_overrides={"REMOTE_ADDR": None}):
        assert device_of_request().address == ""


@pytest.mark.parametrize(
    ("roles", "names"),
    [
        ([], []),
        ("admin", ["admin"]),
        (["b", "a", "b"], ["b", "a"]),
        ((role for role in ("a", "b")), ["a", "b"]),
        ([Plain.ADMIN, Modern.ADMIN], ["admin"]),
    ],
)
def test_roles(roles, names):
    """One name alone is one role, not its letters; members of an Enum are their values."""
    assert role_names(roles) == names


@pytest.mark.parametrize("roles", [[1], [None], [b"admin"], [["admin"]]])
def test_roles_that_are_none(roles):
    """SetupError, before anything is stored."""
    with pytest.raises(SetupError, match="Roles have to be strings"):
        role_names(roles)


@pytest.mark.parametrize(("user_id", "subject"), [(7, "7"), ("7", "7"), (0, "0"), ("ü", "ü")])
def test_ids_become_strings(user_id, subject):
    """Also the id 0 (PITFALLS E2)."""
    assert subject_of(user_id) == subject


@pytest.mark.parametrize("user_id", [None, "", True, False])
def test_ids_that_are_none(user_id):
    """A user that was never stored has none: not a token for `None`."""
    with pytest.raises(SetupError, match="stored user"):
        subject_of(user_id)


def test_the_missing_store_says_what_to_set():
    """For every use, from every thread; copying and looking at it is no use."""
    store = MissingSessionStore()
    store.listen(print)
    assert not hasattr(store, "__deepcopy__")
    errors = []

    def use():
        try:
            store.create(subject="anna")
        except SetupError as error:
            errors.append(str(error))

    thread = Thread(target=use)
    thread.start()
    thread.join()
    assert "BACKEND_REDIS_URL" in errors[0]
