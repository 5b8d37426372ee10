"""Changing what is for sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.repositories.products import ProductRepository
from example_app.transactions import write_transaction
from flask_backend_patterns import NotFoundError, PreconditionFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from example_app.models import Product


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
