"""`/api/products`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.views import MethodView

from example_app import limits
from example_app.extensions import db
from example_app.repositories.products import SORT_COLUMNS, ProductFilters, ProductRepository
from example_app.schemas.products import ProductChangeSchema, ProductSchema
from example_app.services.catalog import ShownProduct, change_product, find_product
from flask_backend_patterns import (
    Blueprint,
    CursorPage,
    NotFoundError,
    Page,
    cache_control,
    cached_view,
    conditional,
    matched_version,
    public,
    rate_limit,
    require_permission,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from example_app.models import Product

blp = Blueprint("products", __name__, url_prefix="/api/products", description="What is for sale")

CATALOGUE = "the catalogue is for everybody"
# A sale does not forget the pages: for so long they may show the pieces that were there before.
PAGE_SECONDS = 10
PAGE_STALE_SECONDS = 20

catalogue_limit = rate_limit(limits.CATALOGUE, key="address", name="catalogue")


def current_version(product_id: int) -> int | None:
    """The version that readers are shown; without a question to the database in most cases."""
    product = find_product(product_id)
    return None if product is None else product.version


def stored_version(product_id: int) -> int | None:
    """The version in the row, which a change is decided by."""
    return ProductRepository(db.session()).version(product_id)


@blp.get("")
@public(reason=CATALOGUE)
@catalogue_limit
@cached_view(PAGE_SECONDS, stale=PAGE_STALE_SECONDS, tags=["catalogue"])
@cache_control(public=True, max_age=0, s_maxage=PAGE_SECONDS, stale_while_revalidate=PAGE_STALE_SECONDS)
@blp.response(200, ProductSchema)
@blp.paginate(Page(sort=SORT_COLUMNS), filters=ProductFilters)
def list_products() -> Select[Product]:
    """A page of products, for people who leaf through them."""
    return ProductRepository(db.session()).all()


@blp.get("/feed")
@public(reason=CATALOGUE)
@catalogue_limit
@blp.response(200, ProductSchema)
@blp.paginate(CursorPage(sort=SORT_COLUMNS), filters=ProductFilters)
def feed_products() -> Select[Product]:
    """Products by cursor, for programs that read them all: none is missed or seen twice while others change.

    Not cached: a page that is older than the one before would break that promise.
    """
    return ProductRepository(db.session()).all()


@blp.route("/<int(max=2147483647):product_id>")
class OneProduct(MethodView):
    """A product and its versions."""

    @public(reason=CATALOGUE)
    @catalogue_limit
    @conditional("version", current=current_version)
    @cache_control(public=True, no_cache=True)  # whoever keeps it asks before each use, and mostly gets a 304
    @blp.response(200, ProductSchema)
    def get(self, product_id: int) -> ShownProduct:
        """One product."""
        product = find_product(product_id)
        if product is None:
            raise NotFoundError("No such product.")
        return product

    @require_permission("products:update")
    @conditional("version", current=stored_version)
    @blp.arguments(ProductChangeSchema)
    @blp.response(200, ProductSchema)
    def patch(self, changes: Mapping[str, object], product_id: int) -> Product:
        """Change a product, if it still is what the `If-Match` header says."""
        return change_product(product_id, changes, version=matched_version())
