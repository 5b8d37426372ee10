"""Orders on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from example_app.schemas.numbers import Whole
from example_app.services.ordering import WantedLine

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ID = 2**31 - 1


class WantedLineSchema(Schema):
    """A product, by `sku` or by `product_id`, and how many pieces of it."""

    sku = fields.String(validate=validate.Regexp(r"^[A-Za-z0-9._-]{1,40}$(?!\n)"))
    product_id = Whole(validate=validate.Range(1, _MAX_ID))
    quantity = Whole(required=True, validate=validate.Range(1, 1_000))

    @validates_schema
    def names_one_product(self, data: Mapping[str, object], **_: object) -> None:
        """Exactly one of `sku` and `product_id`."""
        if ("sku" in data) == ("product_id" in data):
            raise ValidationError("Give either sku or product_id.", "sku")

    @post_load
    def make(self, data: Mapping[str, int], **_: object) -> WantedLine:
        """The validated line."""
        return WantedLine(**data)  # type: ignore[arg-type]  # the fields above are its fields


class NewOrderSchema(Schema):
    """An order to place."""

    lines = fields.List(
        fields.Nested(WantedLineSchema), required=True, validate=validate.Length(min=1, max=100)
    )


class OrderLineSchema(Schema):
    """Pieces of one product, at the price they had when ordered."""

    product_id = fields.Integer()
    sku = fields.String(attribute="product.sku")
    name = fields.String(attribute="product.name")
    quantity = fields.Integer()
    unit_price_cents = fields.Integer()


class OrderSchema(Schema):
    """A placed order."""

    id = fields.Integer()
    user_id = fields.Integer()
    status = fields.String()
    refunded_at = fields.AwareDateTime(allow_none=True)
    total_cents = fields.Integer()
    created_at = fields.AwareDateTime()
    confirmation_sent_at = fields.AwareDateTime(allow_none=True)
    lines = fields.List(fields.Nested(OrderLineSchema))
