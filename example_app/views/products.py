"""`/api/products`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.views import MethodView

from example_app.extensions import db
from example_app.repositories.products import SORT_COLUMNS, ProductFilters, ProductRepository
from example_app.schemas.products import ProductChangeSchema, ProductSchema
from example_app.services.catalog import change_product
from flask_backend_patterns import (
    Blueprint,
    CursorPage,
    NotFoundError,
    Page,
    conditional,
    matched_version,
    public,
    require_permission,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from example_app.models import Product

blp = Blueprint("products", __name__, url_prefix="/api/products", description="What is for sale")

CATALOGUE = "the catalogue is for everybody"


def current_version(product_id: int) -> int | None:
    """The version that the product has now."""
    return ProductRepository(db.session()).version(product_id)


@blp.get("")
@public(reason=CATALOGUE)
@blp.response(200, ProductSchema)
@blp.paginate(Page(sort=SORT_COLUMNS), filters=ProductFilters)
def list_products() -> Select[Product]:
    """A page of products, for people who leaf through them."""
    return ProductRepository(db.session()).all()


@blp.get("/feed")
@public(reason=CATALOGUE)
@blp.response(200, ProductSchema)
@blp.paginate(CursorPage(sort=SORT_COLUMNS), filters=ProductFilters)
def feed_products() -> Select[Product]:
    """Products by cursor, for programs that read them all: none is missed or seen twice while others change."""
    return ProductRepository(db.session()).all()


@blp.route("/<int(max=2147483647):product_id>")
@conditional("version", current=current_version)
class OneProduct(MethodView):
    """A product and its versions."""

    @public(reason=CATALOGUE)
    @blp.response(200, ProductSchema)
    def get(self, product_id: int) -> Product:
        """One product."""
        product = ProductRepository(db.session()).get(product_id)
        if product is None:
            raise NotFoundError("No such product.")
        return product

    @require_permission("products:update")
    @blp.arguments(ProductChangeSchema)
    @blp.response(200, ProductSchema)
    def patch(self, changes: Mapping[str, object], product_id: int) -> Product:
        """Change a product, if it still is what the `If-Match` header says."""
        return change_product(product_id, changes, version=matched_version())
