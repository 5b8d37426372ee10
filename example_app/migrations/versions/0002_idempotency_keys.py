"""The table of stored answers, and an index for products by their last change.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21
"""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backend_idempotency_keys",
        sa.Column("key_hash", sa.CHAR(length=64), nullable=False),
        sa.Column("fingerprint", sa.CHAR(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(length=16777215), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_backend_idempotency_keys")),
    )
    op.create_index("ix_backend_idempotency_keys_expires_at", "backend_idempotency_keys", ["expires_at"])
    op.create_index("ix_products_updated_at_id", "products", ["updated_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_products_updated_at_id", table_name="products")
    op.drop_index("ix_backend_idempotency_keys_expires_at", table_name="backend_idempotency_keys")
    op.drop_table("backend_idempotency_keys")
