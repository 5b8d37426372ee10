"""`/api/products`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.extensions import db
from example_app.repositories.products import ProductRepository
from example_app.schemas.paging import one_of, page_of
from example_app.schemas.products import ProductQuerySchema, ProductSchema
from flask_backend_patterns import Blueprint, NotFoundError

if TYPE_CHECKING:
    from example_app.schemas.paging import PageRequest

blp = Blueprint("products", __name__, url_prefix="/api/products", description="What is for sale")


@blp.get("")
@blp.arguments(ProductQuerySchema, location="query")
@blp.response(200, page_of(ProductSchema))
def list_products(query: PageRequest) -> dict[str, object]:
    """A page of products."""
    products = ProductRepository(db.session())
    page = products.page(offset=query.offset, limit=query.limit, sort=query.sort)
    return {"data": page, "meta": query.meta(products.count())}


@blp.get("/<int(max=2147483647):product_id>")
@blp.response(200, one_of(ProductSchema))
def get_product(product_id: int) -> dict[str, object]:
    """One product."""
    product = ProductRepository(db.session()).get(product_id)
    if product is None:
        raise NotFoundError("No such product.")
    return {"data": product}
