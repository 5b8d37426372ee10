"""Rules between fields, which marshmallow enforces but cannot describe, for the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.schemas.orders import WantedLineSchema
from example_app.schemas.products import ProductChangeSchema

if TYPE_CHECKING:
    from flask_smorest import Api


def describe_rules(api: Api) -> None:
    """Add the rules to the schemas of the document, before the views are described."""
    schemas = api.spec.components
    one_of = {"oneOf": [{"required": ["sku"]}, {"required": ["product_id"]}]}
    schemas.schema("WantedLine", one_of, schema=WantedLineSchema)
    schemas.schema("ProductChange", {"minProperties": 1}, schema=ProductChangeSchema)
