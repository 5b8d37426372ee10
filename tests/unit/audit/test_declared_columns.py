"""How the statements of several declarations become one text a column."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from flask_backend_patterns.api.conditional import Conditional
from flask_backend_patterns.api.deprecation import Deprecated
from flask_backend_patterns.api.idempotency import Idempotent
from flask_backend_patterns.audit.declared_columns import common_columns, declared_columns
from flask_backend_patterns.auth.declarations import Public, RequireAuth, RequirePermission, RequireRole
from flask_backend_patterns.declarations import Declaration, Phase

ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Says(Declaration):
    phase: ClassVar[Phase] = Phase.CACHE
    said: dict

    def audit(self, method):
        return self.said


def both(*texts, column="authentication"):
    return declared_columns([Says(said={column: text}) for text in texts], "GET").get(column)


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["required"], "required"),
        (["required", "required"], "required"),
        (["required", "required, fresh 300 s"], "required, fresh 300 s"),
        (["required, fresh 300 s", "required"], "required, fresh 300 s"),
        (["optional", "required"], "required"),
        (["optional"], "optional"),
        (["public: health", "required"], "public: health & required"),
        (["", "  "], None),
        ([" two\n  lines\t"], "two lines"),
    ],
)
def test_authentication_is_the_strictest_that_is_said(texts, joined):
    """What another declaration implies is left out; contradictions stay visible."""
    assert both(*texts) == joined


def test_two_demands_in_one_column_both_hold():
    """Roles of two decorators are alternatives within, and both wanted."""
    declared = [RequireRole(roles=("a", "b")), RequireRole(roles=("c",)), RequirePermission(permission="x:y")]
    assert declared_columns(declared, "GET") == {
        "authentication": "required",
        "roles": "(a | b) & c",
        "permission": "x:y",
    }


def test_a_column_nobody_has_heard_of_is_kept():
    """A later feature, or a user, adds a column by naming it; what is no string is shown as one."""
    assert declared_columns([Says(said={"vary_on": "tenant", "größe": 7})], "GET") == {
        "vary_on": "tenant",
        "größe": "7",
    }


def test_methods_that_differ_say_so():
    """A rule that takes any method shows what each of them says."""
    assert common_columns([{"a": "1"}, {"a": "1", "b": "2"}, {"a": "3"}]) == {"a": "1, or 3", "b": "2"}


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        (Idempotent(), "key required"),
        (Idempotent(key_required=False), "key optional"),
        (Idempotent(ttl_seconds=600, store="redis"), "key required, kept 600 s, in redis"),
    ],
)
def test_idempotency_is_told_for_the_methods_it_works_on(method, declaration, expected):
    """On others the enforcer does nothing, so nothing is claimed."""
    said = declaration.audit(method)
    assert said == ({"idempotency": expected} if method in ("POST", "PATCH") else {})


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("required", [True, False])
def test_conditional_tells_reading_from_changing(method, required):
    """`ETag` on all, `If-Match` where something changes."""
    said = Conditional(version=None, current=None, match_required=required).audit(method)
    changing = f"If-Match {'required' if required else 'optional'}"
    assert said == {"conditional": changing if method in ("PUT", "PATCH", "DELETE") else "ETag"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"since": 0}, "since 1970-01-01"),
        ({"since": 1_767_225_600, "sunset": 1_782_864_000}, "since 2026-01-01, sunset 2026-07-01"),
        ({"since": int(datetime(2026, 1, 1, 12, 30, tzinfo=UTC).timestamp())}, "since 2026-01-01T12:30:00Z"),
        ({"since": 0, "successor": "/v2/beans"}, "since 1970-01-01, use /v2/beans"),
        ({"since": 253_402_300_799}, "since 9999-12-31T23:59:59Z"),
    ],
)
def test_deprecation_tells_its_days(options, text):
    """Days in UTC, the same on every machine."""
    assert Deprecated(**options).audit("GET") == {"deprecation": text}


def test_public_with_credentials_is_marked():
    """The audit finds logins by it."""
    said = declared_columns([Public(reason="log in", takes_credentials=True), RequireAuth()], "POST")
    assert said["credentials"] == "taken"
