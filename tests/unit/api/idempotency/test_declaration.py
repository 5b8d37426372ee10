"""What `@idempotent` says about a view."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData

from flask_backend_patterns import SetupError
from flask_backend_patterns._config import ConfigError
from flask_backend_patterns.api.idempotency import Idempotent, idempotency_table, idempotent
from flask_backend_patterns.api.idempotency.settings import IdempotencySettings
from flask_backend_patterns.declarations import Phase
from flask_backend_patterns.guard import declarations_of


def test_the_decorator_leaves_a_declaration_on_the_view():
    """The audit and the document read what the guard enforces."""

    @idempotent(required=False, ttl_seconds=9, store="redis")
    def view():
        return ""

    (found,) = declarations_of(view, "POST")
    assert found == Idempotent(key_required=False, ttl_seconds=9, store="redis")
    assert (found.phase, found.statuses) == (Phase.IDEMPOTENCY, (400, 409, 422))


@pytest.mark.parametrize("options", [{"ttl_seconds": 0}, {"ttl_seconds": -1}, {"store": "memory"}], ids=str)
def test_wrong_options_are_told_where_they_are_written(options):
    """At the decorator, with what was expected."""
    with pytest.raises(SetupError, match="expected"):
        idempotent(**options)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_document_shows_the_headers_where_they_count(method, required):
    """POST and PATCH: the key as parameter, `Idempotency-Replayed` on answers."""
    found = Idempotent(key_required=required).documentation(method)
    if method in {"POST", "PATCH"}:
        (parameter,) = found.parameters
        assert (parameter["name"], parameter["in"], parameter["required"]) == (
            "Idempotency-Key",
            "header",
            required,
        )
        assert list(found.success_headers) == ["Idempotency-Replayed"]
    else:
        assert (list(found.parameters), dict(found.success_headers)) == ([], {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("STORE", "memory"),
        ("TTL_SECONDS", 0),
        ("TTL_SECONDS", 31_536_001),
        ("LEASE_SECONDS", 0),
        ("LEASE_SECONDS", "soon"),
        ("MAX_RESPONSE_BYTES", 0),
    ],
)
def test_settings_out_of_range_are_told(key, value):
    """One sentence that names the key."""
    problems: list[str] = []
    IdempotencySettings.from_config({f"BACKEND_IDEMPOTENCY_{key}": value}, problems)
    assert len(problems) == 1
    assert f"BACKEND_IDEMPOTENCY_{key}" in str(ConfigError(problems))


@pytest.mark.parametrize("schema", [None, "own"])
def test_the_table_is_added_once(schema):
    """To the metadata of the app, with its schema; asked again it is the same one."""
    metadata = MetaData(schema=schema)
    table = idempotency_table(metadata)
    assert idempotency_table(metadata) is table
    assert list(metadata.tables.values()) == [table]
    assert table.schema == schema
    assert [index.columns.keys() for index in table.indexes] == [["expires_at"]]
