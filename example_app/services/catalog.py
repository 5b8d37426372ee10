"""What is for sale: reading it from the cache, and changing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from example_app.extensions import db
from example_app.repositories.products import ProductRepository
from example_app.transactions import write_transaction
from flask_backend_patterns import NotFoundError, PreconditionFailedError, cached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from example_app.models import Product

PRODUCT_SECONDS = 300
PRODUCT_STALE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ShownProduct:
    """A product as it is shown; whatever is decided about it is decided from the row."""

    id: int
    sku: str
    name: str
    description: str
    price_cents: int
    stock: int
    version: int
    updated_at: datetime


@cached(
    PRODUCT_SECONDS, key="product:{product_id}", tags=("product:{product_id}",), stale=PRODUCT_STALE_SECONDS
)
def find_product(product_id: int) -> ShownProduct | None:
    """The product with this id, as it is shown; every commit that changes it has it read anew."""
    product = ProductRepository(db.session()).get(product_id)
    if product is None:
        return None
    return ShownProduct(
        id=product.id,
        sku=product.sku,
        name=product.name,
        description=product.description,
        price_cents=product.price_cents,
        stock=product.stock,
        version=product.version,
        updated_at=product.updated_at,
    )


def change_product(product_id: int, changes: Mapping[str, object], *, version: int | None) -> Product:
    """Change the product that has this version.

    Raises `NotFoundError` when there is no such product, `PreconditionFailedError` when it has another version by now.
    """
    with write_transaction() as session:
        products = ProductRepository(session)
        product = None if version is None else products.change(product_id, version=version, values=changes)
        if product is None:
            raise (
                NotFoundError("No such product.")
                if products.version(product_id) is None
                else PreconditionFailedError
            )
        return product
