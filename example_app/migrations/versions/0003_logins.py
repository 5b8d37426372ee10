"""Logins: who may log in, API keys, tokens for mails, roles, linked identities; and refunds.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("users", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("orders", sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "backend_api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.CHAR(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backend_api_keys")),
    )
    op.create_index("ix_backend_api_keys_owner_id", "backend_api_keys", ["owner_id"])
    op.create_table(
        "backend_linked_identities",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_backend_linked_identities")),
    )
    op.create_index("ix_backend_linked_identities_user_id", "backend_linked_identities", ["user_id"])
    op.create_table(
        "backend_one_time_tokens",
        sa.Column("purpose", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.CHAR(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "subject", name=op.f("pk_backend_one_time_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_backend_one_time_tokens_token_hash")),
    )
    op.create_index("ix_backend_one_time_tokens_expires_at", "backend_one_time_tokens", ["expires_at"])
    op.create_table(
        "backend_roles",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_backend_roles")),
    )
    op.create_table(
        "backend_role_parents",
        sa.Column("role", sa.String(length=100), nullable=False),
        sa.Column("parent", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["backend_roles.name"], name=op.f("fk_backend_role_parents_parent")),
        sa.ForeignKeyConstraint(
            ["role"], ["backend_roles.name"], name=op.f("fk_backend_role_parents_role"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role", "parent", name=op.f("pk_backend_role_parents")),
    )
    op.create_table(
        "backend_role_permissions",
        sa.Column("role", sa.String(length=100), nullable=False),
        sa.Column("permission", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["backend_roles.name"], name=op.f("fk_backend_role_permissions_role"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role", "permission", name=op.f("pk_backend_role_permissions")),
    )


def downgrade() -> None:
    op.drop_table("backend_role_permissions")
    op.drop_table("backend_role_parents")
    op.drop_table("backend_roles")
    op.drop_index("ix_backend_one_time_tokens_expires_at", table_name="backend_one_time_tokens")
    op.drop_table("backend_one_time_tokens")
    op.drop_index("ix_backend_linked_identities_user_id", table_name="backend_linked_identities")
    op.drop_table("backend_linked_identities")
    op.drop_index("ix_backend_api_keys_owner_id", table_name="backend_api_keys")
    op.drop_table("backend_api_keys")
    op.drop_column("orders", "refunded_at")
    op.drop_column("users", "verified_at")
    op.drop_column("users", "is_active")
