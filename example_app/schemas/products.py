"""Products and their imports on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from example_app.repositories.products import SORT_COLUMNS
from example_app.schemas.paging import PageQuerySchema, SortField


class ProductQuerySchema(PageQuerySchema):
    """A page of products, sorted."""

    sort = SortField(SORT_COLUMNS)


class ProductSchema(Schema):
    """A product; `price_cents` is the price of one piece."""

    id = fields.Integer()
    sku = fields.String()
    name = fields.String()
    description = fields.String()
    price_cents = fields.Integer()
    stock = fields.Integer()
    version = fields.Integer()


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
