"""Queries over products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import fields
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from example_app.clock import utc_now
from example_app.models import Product
from flask_backend_patterns import invalidate_after_commit
from flask_backend_patterns.api import Filter, FilterSet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

SORT_COLUMNS = {
    "id": Product.id,
    "sku": Product.sku,
    "name": Product.name,
    "price": Product.price_cents,
    "stock": Product.stock,
    "updated": Product.updated_at,
}


class ProductFilters(FilterSet):
    """What products can be asked for by."""

    id = Filter(fields.Integer(), Product.id, "in")
    sku = Filter(fields.String(), Product.sku, "eq in startswith")
    name = Filter(fields.String(), Product.name, "eq contains startswith")
    price = Filter(fields.Integer(), Product.price_cents, "eq lt lte gt gte between")
    stock = Filter(fields.Integer(), Product.stock, "gt gte lt lte")
    updated = Filter(fields.AwareDateTime(), Product.updated_at, "gte lt")


class ProductRepository:
    """Products of one session.

    UPDATE and INSERT statements on the model forget the cached pages of the catalogue by themselves; which products they
    change, and with it which cached products are old, is said here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, product_id: int) -> Product | None:
        """The product with this id."""
        return self._session.get(Product, product_id)

    def all(self) -> Select[Product]:
        """Every product, to be filtered, sorted and paged."""
        return select(Product)

    def version(self, product_id: int) -> int | None:
        """The version of the product with this id."""
        return self._session.scalar(select(Product.version).where(Product.id == product_id))

    def change(self, product_id: int, *, version: int, values: Mapping[str, object]) -> Product | None:
        """Change the product if it still has this version; None when somebody else was faster."""
        statement = (
            update(Product)
            .where(Product.id == product_id, Product.version == version)
            .values({**values, "version": Product.version + 1, "updated_at": utc_now()})
            .returning(Product)
            .execution_options(populate_existing=True)
        )
        self._forget([product_id])
        return self._session.scalar(statement)

    def by_skus(self, skus: Collection[str]) -> dict[str, Product]:
        """Products by SKU; unknown SKUs are missing."""
        found = self._session.scalars(select(Product).where(Product.sku.in_(skus)))
        return {product.sku: product for product in found}

    def by_ids(self, ids: Collection[int]) -> dict[int, Product]:
        """Products by id; unknown ids are missing."""
        found = self._session.scalars(select(Product).where(Product.id.in_(ids)))
        return {product.id: product for product in found}

    def take_stock(self, *, product_id: int, quantity: int) -> int | None:
        """Take pieces from the stock in one conditional statement.

        Returns the price of one piece in cents, as it stands while the row is locked, or None when there are
        fewer pieces than wanted. Cached pages of the catalogue stay: sales are too many to make all of them anew.
        """
        table = Product.metadata.tables[
            Product.__tablename__
        ]  # a statement on the model would forget the pages too
        statement = (
            update(table)
            .where(table.c.id == product_id, table.c.stock >= quantity)
            .values(stock=table.c.stock - quantity, version=table.c.version + 1, updated_at=utc_now())
            .returning(table.c.price_cents)
        )
        self._forget([product_id])
        price_cents: int | None = self._session.scalar(statement)
        return price_cents

    def upsert(self, rows: Sequence[Mapping[str, object]]) -> int:
        """Insert products, or update those whose SKU exists. Returns how many were new.

        Rows are written in the order of their SKU, as orders lock them, so the two never wait for each other in a
        circle. A SKU may be there once only.
        """
        if not rows:
            return 0
        skus = [str(row["sku"]) for row in rows]
        existing = len(self.by_skus(skus))
        now = utc_now()
        values = [
            {**row, "version": 1, "created_at": now, "updated_at": now}
            for row in sorted(rows, key=lambda row: str(row["sku"]))
        ]
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        insert = sqlite.insert(Product) if is_sqlite else postgresql.insert(Product)
        statement = insert.on_conflict_do_update(
            index_elements=[Product.sku],
            set_={
                "name": insert.excluded.name,
                "description": insert.excluded.description,
                "price_cents": insert.excluded.price_cents,
                "stock": insert.excluded.stock,
                "version": Product.version + 1,
                "updated_at": insert.excluded.updated_at,
            },
        )
        self._forget(self._session.scalars(statement.returning(Product.id), values))
        return len(rows) - existing

    def _forget(self, ids: Iterable[int]) -> None:
        """Once this is committed, what is cached of these products is old."""
        invalidate_after_commit(self._session, tags=[f"product:{product_id}" for product_id in ids])
