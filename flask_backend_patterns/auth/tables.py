"""The tables of authentication in the app's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table

API_KEYS: Final = "backend_api_keys"
ONE_TIME_TOKENS: Final = "backend_one_time_tokens"
ROLES: Final = "backend_roles"
ROLE_PERMISSIONS: Final = "backend_role_permissions"
ROLE_PARENTS: Final = "backend_role_parents"
LINKED_IDENTITIES: Final = "backend_linked_identities"

MAX_ID_LENGTH: Final = 255
MAX_NAME_LENGTH: Final = 100


def auth_tables(metadata: MetaData) -> list[Table]:
    """The tables, added to `metadata` so that `create_all` and migrations make them; the same ones when called again.

    Times are seconds since the epoch. Ids of users are text (`auth_id`), without a foreign key: the user's table is yours.
    """
    makers = (
        (API_KEYS, _add_api_keys),
        (ONE_TIME_TOKENS, _add_one_time_tokens),
        (ROLES, _add_roles),
        (ROLE_PERMISSIONS, _add_role_permissions),
        (ROLE_PARENTS, _add_role_parents),
        (LINKED_IDENTITIES, _add_linked_identities),
    )
    found = [(metadata.tables.get(_key(metadata, name)), add) for name, add in makers]
    return [add(metadata) if table is None else table for table, add in found]


def _key(metadata: MetaData, name: str) -> str:
    return f"{metadata.schema}.{name}" if metadata.schema else name


def _add_api_keys(metadata: MetaData) -> Table:
    from sqlalchemy import CHAR, BigInteger, Column, String, Table, Text

    return Table(
        API_KEYS,
        metadata,
        Column("id", String(32), primary_key=True),
        Column("prefix", String(32), nullable=False),
        Column("owner_id", String(MAX_ID_LENGTH), nullable=False, index=True),
        Column("name", String(MAX_NAME_LENGTH), nullable=False),
        Column("key_hash", CHAR(64), nullable=False),  # SHA-256 of the whole key
        Column("scopes", Text, nullable=False),  # a list in JSON
        Column("created_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger),
        Column("last_used_at", BigInteger),
        Column("revoked_at", BigInteger),
    )


def _add_one_time_tokens(metadata: MetaData) -> Table:
    from sqlalchemy import CHAR, BigInteger, Column, String, Table, Text

    # The primary key keeps one token alive for each purpose and subject, however many requests issue them.
    return Table(
        ONE_TIME_TOKENS,
        metadata,
        Column("purpose", String(50), primary_key=True),
        Column("subject", String(MAX_ID_LENGTH), primary_key=True),
        Column("token_hash", CHAR(64), nullable=False, unique=True),  # SHA-256
        Column("data", Text, nullable=False),  # an object in JSON
        Column("created_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False, index=True),
    )


def _add_roles(metadata: MetaData) -> Table:
    from sqlalchemy import Column, String, Table

    return Table(ROLES, metadata, Column("name", String(MAX_NAME_LENGTH), primary_key=True))


def _add_role_permissions(metadata: MetaData) -> Table:
    from sqlalchemy import Column, ForeignKey, String, Table

    role = ForeignKey(f"{_key(metadata, ROLES)}.name", ondelete="CASCADE")
    return Table(
        ROLE_PERMISSIONS,
        metadata,
        Column("role", String(MAX_NAME_LENGTH), role, primary_key=True),
        Column("permission", String(255), primary_key=True),
    )


def _add_role_parents(metadata: MetaData) -> Table:
    from sqlalchemy import Column, ForeignKey, String, Table

    role = ForeignKey(f"{_key(metadata, ROLES)}.name", ondelete="CASCADE")
    # No cascade: a role that others inherit from is not deleted under them.
    parent = ForeignKey(f"{_key(metadata, ROLES)}.name")
    return Table(
        ROLE_PARENTS,
        metadata,
        Column("role", String(MAX_NAME_LENGTH), role, primary_key=True),
        Column("parent", String(MAX_NAME_LENGTH), parent, primary_key=True),
    )


def _add_linked_identities(metadata: MetaData) -> Table:
    from sqlalchemy import BigInteger, Column, String, Table

    return Table(
        LINKED_IDENTITIES,
        metadata,
        Column("issuer", String(255), primary_key=True),
        Column("subject", String(255), primary_key=True),
        Column("user_id", String(MAX_ID_LENGTH), nullable=False, index=True),
        Column("email", String(320)),
        Column("created_at", BigInteger, nullable=False),
    )
