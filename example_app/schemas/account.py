"""The caller and their account on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class CallerSchema(Schema):
    """Who is calling."""

    id = fields.Integer()
    email = fields.String()
    name = fields.String()
    role = fields.String()


class RegistrationSchema(Schema):
    """What the shop wants to know beside login and password."""

    name = fields.String(required=True, validate=validate.Length(1, 200))


class AccountSchema(Schema):
    """An account; below zero is what its owner owes the shop."""

    id = fields.Integer()
    name = fields.String()
    kind = fields.String()
    balance_cents = fields.Integer()
    currency = fields.String()
