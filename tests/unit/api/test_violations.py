"""Which kind of rule a marshmallow message is about."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import marshmallow as ma
import pytest
from marshmallow import fields, validate

from flask_backend_patterns.api.violations import KINDS, annotate
from flask_backend_patterns.errors import flatten


class Inner(ma.Schema):
    n = fields.Integer(required=True, data_key="num")


def kind_of(field, value=ma.missing, **texts):
    """The kind found for the only message that `value` gives."""
    schema = ma.Schema.from_dict({"x": field})()
    data = {} if value is ma.missing else {"x": value}
    with pytest.raises(ma.ValidationError) as failed:
        schema.load(data)
    [detail] = flatten(
        failed.value.messages, annotate=lambda path, message: annotate(schema, data, texts, path, message)
    )
    return (detail["kind"], detail["message"]) if texts else detail["kind"]


def refuse(_):
    raise ma.ValidationError("Not that.")


NAIVE = datetime(2020, 1, 1)  # noqa: DTZ001 - as the field reads a timestamp
CASES = [
    ("required", fields.String(required=True), ma.missing),
    ("required", fields.String(required=True, error_messages={"required": "Say it."}), ma.missing),
    ("null", fields.String(), None),
    ("blank", fields.String(validate=validate.Length(min=1)), ""),
    ("blank", fields.Email(), ""),
    ("blank", fields.Integer(), ""),
    ("invalid", fields.Integer(), "x"),
    ("invalid", fields.String(), 3),
    ("invalid", fields.AwareDateTime(), "2026-01-01T00:00:00"),
    ("invalid", fields.Integer(validate=refuse), 4),
    ("too_short", fields.String(validate=validate.Length(min=2)), "a"),
    ("too_short", fields.String(validate=validate.Length(min=2, max=4)), "a"),
    ("too_short", fields.String(validate=validate.Length(2, 4, error="No.")), "a"),
    ("too_long", fields.String(validate=validate.Length(max=4)), "abcde"),
    ("too_long", fields.String(validate=validate.Length(2, 4)), "abcde"),
    ("too_long", fields.String(validate=validate.Length(2, 4, error="No.")), "abcde"),
    ("too_long", fields.List(fields.Integer(), validate=validate.Length(max=1)), [1, 2]),
    ("wrong_length", fields.String(validate=validate.Length(equal=2)), "abc"),
    ("wrong_length", fields.String(validate=validate.Length(equal=2)), "a"),
    ("too_small", fields.Integer(validate=validate.Range(min=2)), 1),
    ("too_small", fields.Integer(validate=validate.Range(2, 4)), "1"),
    ("too_small", fields.Integer(validate=validate.Range(2, 4, min_inclusive=False)), 2),
    ("too_large", fields.Integer(validate=validate.Range(max=2)), 3),
    ("too_large", fields.Integer(validate=validate.Range(2, 4)), 5),
    ("too_large", fields.Integer(validate=validate.Range(2, 4)), 10**400),
    ("too_small", fields.Integer(validate=validate.Range(2, 4)), -(10**400)),
    ("too_small", fields.TimeDelta(validate=validate.Range(timedelta(0), timedelta(9))), -5),
    ("too_large", fields.TimeDelta(validate=validate.Range(timedelta(0), timedelta(9))), 10**6),
    ("too_small", fields.Date(validate=validate.Range(date(2020, 1, 1), date(2021, 1, 1))), "2019-01-01"),
    ("too_large", fields.Date(validate=validate.Range(date(2020, 1, 1), date(2021, 1, 1))), "2022-01-01"),
    ("too_small", fields.DateTime("timestamp", validate=validate.Range(NAIVE, NAIVE)), 5),
    ("not_allowed", fields.String(validate=validate.OneOf(["a"])), "b"),
    ("not_allowed", fields.String(validate=validate.NoneOf(["b"])), "b"),
    ("not_equal", fields.Integer(validate=validate.Equal(3)), 4),
    ("format", fields.String(validate=validate.Regexp("a")), "b"),
    ("format", fields.String(validate=validate.And(validate.Length(1), validate.Regexp("a"))), "b"),
    ("format", fields.Email(), "nobody"),
    ("format", fields.Url(), "nowhere"),
]


@pytest.mark.parametrize(("kind", "field", "value"), CASES)
def test_the_kind_is_found(kind, field, value):
    """For every rule that marshmallow ships, with its own texts and with the user's."""
    assert kind_of(field, value) == kind


def test_every_kind_that_a_field_can_have_is_tried():
    """The list of kinds that the documentation promises is the list above, and those of whole requests."""
    assert {kind for kind, _, _ in CASES} | {"unknown", "repeated"} == KINDS


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        (fields.Nested(Inner), {}, "required"),
        (fields.Nested(Inner(many=True)), [{"num": 1}, {"num": None}], "null"),
        (fields.List(fields.Nested(Inner)), [{"num": 1}, {"num": "x"}], "invalid"),
        (fields.List(fields.Integer()), [1, "x"], "invalid"),
        (fields.Dict(values=fields.Integer(validate=validate.Range(min=3))), {"k": 1}, "too_small"),
        (fields.Nested(Inner), {"num": 1, "y": 2}, "unknown"),
    ],
)
def test_kinds_are_found_at_every_depth(field, value, path):
    """Below nested schemas, lists and dicts, by the names on the wire."""
    assert kind_of(field, value) == path


def test_a_text_may_name_what_the_rule_knows():
    """Its bounds, the input and the field; what nobody knows stays as it is written."""
    field = fields.String(validate=validate.Length(min=2))
    assert kind_of(field, "a", too_short="{field}={input} < {min} {what}") == ("too_short", "x=a < 2 {what}")


def test_input_cannot_reach_into_objects():
    """A client's value is shown, never used as a template."""
    field = fields.String(validate=validate.Length(min=20))
    assert kind_of(field, "{min.__class__}", too_short="{input}") == ("too_short", "{min.__class__}")


class Chain(ma.Schema):
    name = fields.String(required=True)
    child = fields.Nested(lambda: Chain)


def test_a_schema_that_contains_itself_is_followed_as_deep_as_the_data():
    """No endless walk."""
    schema, data = Chain(), {"name": "a", "child": {"name": "b", "child": {}}}
    assert annotate(schema, data, {}, ("child", "child", "name"), "Missing data for required field.") == {
        "kind": "required"
    }
