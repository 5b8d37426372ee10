"""The tables of authentication: in the app's metadata, once, where it says."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from flask_backend_patterns.auth.tables import auth_tables

NAMES = [
    "backend_api_keys",
    "backend_one_time_tokens",
    "backend_roles",
    "backend_role_permissions",
    "backend_role_parents",
    "backend_linked_identities",
]


@pytest.mark.parametrize("schema", [None, "accounts"])
def test_the_tables_are_added_once(schema):
    """Calling it again gives the same tables; the schema of the metadata is theirs, for the foreign keys too."""
    metadata = MetaData(schema=schema)
    Table("users", metadata, Column("id", Integer, primary_key=True))
    tables = auth_tables(metadata)
    again = auth_tables(metadata)
    assert [table.name for table in tables] == NAMES
    assert all(old is new for old, new in zip(tables, again, strict=True))
    assert {table.schema for table in tables} == {schema}
    assert len(metadata.tables) == len(NAMES) + 1
    assert {key.column.table.schema for table in tables for key in table.foreign_keys} == {schema}


def test_names_follow_the_apps_convention():
    """Constraints can be renamed by migrations, as those of the app's own tables."""
    metadata = MetaData(
        naming_convention={"pk": "pk_%(table_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
    )
    tables = auth_tables(metadata)
    assert {table.primary_key.name for table in tables} == {f"pk_{name}" for name in NAMES}
