"""The caller and their account on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields


class ActorSchema(Schema):
    """Who is calling."""

    id = fields.Integer()
    email = fields.String()
    name = fields.String()
    role = fields.String()


class AccountSchema(Schema):
    """An account; below zero is what its owner owes the shop."""

    id = fields.Integer()
    name = fields.String()
    kind = fields.String()
    balance_cents = fields.Integer()
    currency = fields.String()
