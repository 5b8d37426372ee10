"""Queries over product imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from example_app.models import ProductImport, ProductImportRejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

UNFINISHED = ("queued", "running")


class ProductImportRepository:
    """Imports of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, product_import: ProductImport) -> ProductImport:
        """Store the import, so that it has an id."""
        self._session.add(product_import)
        self._session.flush()
        return product_import

    def get(self, import_id: int) -> ProductImport | None:
        """The import with this id."""
        return self._session.get(ProductImport, import_id)

    def advance(self, import_id: int, *, expected: int, created: int, updated: int, rejected: int) -> bool:
        """Add to the counts if `expected` rows have been processed so far and the import is running.

        False means that another worker has taken the import over; the caller must roll back.
        """
        table = ProductImport
        statement = (
            update(table)
            .where(table.id == import_id, table.processed_rows == expected, table.status == "running")
            .values(
                processed_rows=table.processed_rows + created + updated + rejected,
                created_rows=table.created_rows + created,
                updated_rows=table.updated_rows + updated,
                rejected_rows=table.rejected_rows + rejected,
                attempts=1,
            )
            .returning(table.id)
            .execution_options(synchronize_session=False)
        )
        return self._session.scalar(statement) is not None

    def reject(self, import_id: int, rejections: Sequence[tuple[int, str]]) -> None:
        """Store one rejection for each (row number, reason)."""
        if rejections:
            rows = [
                {"import_id": import_id, "row_number": number, "reason": reason}
                for number, reason in rejections
            ]
            self._session.execute(insert(ProductImportRejection), rows)

    def rejections(self, import_id: int, *, offset: int, limit: int) -> list[ProductImportRejection]:
        """Rejected rows in the order of the file."""
        statement = (
            select(ProductImportRejection)
            .where(ProductImportRejection.import_id == import_id)
            .order_by(ProductImportRejection.row_number)
            .offset(offset)
            .limit(limit)
        )
        return list(self._session.scalars(statement))

    def count_rejections(self, import_id: int) -> int:
        """How many rows were rejected so far."""
        statement = (
            select(func.count())
            .select_from(ProductImportRejection)
            .where(ProductImportRejection.import_id == import_id)
        )
        return self._session.scalar(statement) or 0

    def unfinished_ids(self) -> list[int]:
        """Imports that have not come to an end, oldest first."""
        statement = (
            select(ProductImport.id).where(ProductImport.status.in_(UNFINISHED)).order_by(ProductImport.id)
        )
        return list(self._session.scalars(statement))
