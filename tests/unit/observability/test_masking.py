"""Secrets never reach a log line."""

from __future__ import annotations

import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns.observability.masking import MASK, Masker, hide_sql_parameters

SECRET = "hunter2-hunter2"
KEYS = [
    "passwd",
    "apikey",
    "credentials",
    "passphrase",
    "private_key",
    "session_id",
    "pwd",
    "pass",
    "otp",
    "pin",
    "auth",
    "sid",
    "password",
    "Password",
    "user_password",
    "access_token",
    "Authorization",
    "client-secret",
    "Set-Cookie",
    "X-API-Key",
]


@pytest.mark.parametrize("key", KEYS)
def test_values_of_secret_keys_are_masked_whatever_their_spelling(key):
    """Case, dashes and prefixes do not matter."""
    assert Masker().mask({key: SECRET, "fine": 1}) == {key: MASK, "fine": 1}


@given(
    st.recursive(
        st.just(SECRET) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=20,
    ),
    st.sampled_from(KEYS),
    st.integers(0, 12),
)
def test_nothing_below_a_secret_key_is_seen_at_any_depth(value, key, depth):
    """However deep the key and whatever is below it, also deeper than we look."""
    nested = {key: value}
    for level in range(depth):
        nested = {"a": nested} if level % 2 else [nested]
    masked = Masker().mask({"top": nested})
    assert SECRET not in repr(masked)


def test_more_words_can_be_masked():
    """`BACKEND_OBSERVABILITY_MASKED_KEYS` adds to the list."""
    assert Masker(("iban",)).mask({"IBAN": "DE1", "password": "x"}) == {"IBAN": MASK, "password": MASK}


def test_the_original_is_not_modified():
    """A log line must not change what the program goes on with."""
    original = {"a": {"password": SECRET}, "b": [1, 2]}
    Masker().mask(original)
    assert original == {"a": {"password": SECRET}, "b": [1, 2]}


def test_parameters_of_failed_statements_are_hidden_along_the_chain():
    """SQLAlchemy prints them into its exceptions; the log keeps the statement only."""
    inner = sqlalchemy.exc.OperationalError("UPDATE users SET password=?", (SECRET,), Exception("locked"))
    outer = RuntimeError("while saving")
    outer.__cause__ = inner
    assert SECRET in str(inner)
    hide_sql_parameters(outer)
    assert SECRET not in str(inner)
