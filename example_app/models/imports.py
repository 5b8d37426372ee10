"""Imports of products from CSV files, with their progress."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from example_app.clock import utc_now
from example_app.models.base import Base


class ProductImport(Base):
    """One uploaded file. The counts are committed together with the rows they count."""

    __tablename__ = "product_imports"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'finished', 'failed')", name="known_status"),
        CheckConstraint("processed_rows = created_rows + updated_rows + rejected_rows", name="counts_add_up"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(20), default="queued", index=True)
    filename: Mapped[str] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(String(255))
    failure_reason: Mapped[str | None] = mapped_column(Text)
    total_rows: Mapped[int | None]
    # How often work on it began since the last progress.
    attempts: Mapped[int] = mapped_column(default=0)
    processed_rows: Mapped[int] = mapped_column(default=0)
    created_rows: Mapped[int] = mapped_column(default=0)
    updated_rows: Mapped[int] = mapped_column(default=0)
    rejected_rows: Mapped[int] = mapped_column(default=0)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ProductImportRejection(Base):
    """Why one row was not imported; `row_number` counts data rows from 1, the header not included."""

    __tablename__ = "product_import_rejections"
    __table_args__ = (UniqueConstraint("import_id", "row_number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("product_imports.id", ondelete="CASCADE"))
    row_number: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
