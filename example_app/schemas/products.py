"""Products and their imports on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from example_app.schemas.numbers import Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_INTEGER = 2**31 - 1


class ProductSchema(Schema):
    """A product; `price_cents` is the price of one piece."""

    id = fields.Integer()
    sku = fields.String()
    name = fields.String()
    description = fields.String()
    price_cents = fields.Integer()
    stock = fields.Integer()
    version = fields.Integer()
    updated_at = fields.AwareDateTime()


class ProductChangeSchema(Schema):
    """What is to be changed of a product; at least one field."""

    name = fields.String(validate=validate.Length(1, 200))
    description = fields.String(validate=validate.Length(max=10_000))
    price_cents = Whole(validate=validate.Range(0, _MAX_INTEGER))
    stock = Whole(validate=validate.Range(0, _MAX_INTEGER))

    @validates_schema
    def changes_something(self, data: Mapping[str, object], **_: object) -> None:
        """An empty change is a mistake."""
        if not data:
            raise ValidationError("Give at least one field to change.")


class ProductImportSchema(Schema):
    """An import and how far it is; `total_rows` is null until the file has been counted."""

    id = fields.Integer()
    status = fields.String()
    filename = fields.String()
    failure_reason = fields.String(allow_none=True)
    total_rows = fields.Integer(allow_none=True)
    processed_rows = fields.Integer()
    created_rows = fields.Integer()
    updated_rows = fields.Integer()
    rejected_rows = fields.Integer()
    created_at = fields.AwareDateTime()
    started_at = fields.AwareDateTime(allow_none=True)
    finished_at = fields.AwareDateTime(allow_none=True)


class RejectionSchema(Schema):
    """One row that was not imported; `row_number` counts data rows from 1."""

    row_number = fields.Integer()
    reason = fields.String()
