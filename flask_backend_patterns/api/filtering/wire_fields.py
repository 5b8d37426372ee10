"""The fields that read filters from the query string, made from the field that a filter declares."""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any, cast

from marshmallow import ValidationError, fields, missing, validate
from webargs.fields import DelimitedList

from ..paging.query_fields import WHOLE_NUMBER
from ..text import MESSAGE, UNFIT
from .bound_values import fitting, integer_range
from .operators import OPERATORS

if TYPE_CHECKING:
    from .filter_set import Filter

AnyField = fields.Field[Any]
DECIMAL_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?")
MAX_VALUES = 100


class FromQuery(fields.Field[Any]):
    """Mixed into a field: text that can be stored, numbers in ASCII digits, values that fit `kind`, the column's type."""

    kind: Any = None

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **options: Any) -> Any:
        """Check the text, let the field read it, and make the value fit."""
        if isinstance(value, str):
            if UNFIT.search(value):
                raise ValidationError(MESSAGE)
            if isinstance(self, fields.Number) and not _number(self).fullmatch(value):
                raise self.make_error("invalid", input=value)
        loaded = super().deserialize(value, attr, data, **options)
        return loaded if loaded is missing or loaded is None else fitting(loaded, self.kind)


def _number(field: AnyField) -> re.Pattern[str]:
    return WHOLE_NUMBER if isinstance(field, fields.Integer) else DECIMAL_NUMBER


@functools.cache
def _from_query(field_class: type[AnyField]) -> type[AnyField]:
    """The field's own class with the checks before it; apispec still finds out its type."""
    return type(field_class.__name__, (FromQuery, field_class), {})


def wire_field(declared: Filter, name: str, operator: str) -> AnyField:
    """The field for one operator of a filter; its description tells what the operator means."""
    known = OPERATORS[operator]
    says = f"Only items whose `{name}` {known.says}."
    if known.takes == "flag":
        return fields.Boolean(metadata={"description": says})
    one = _one_value(declared)
    if known.takes in ("values", "pair") and isinstance(one, fields.String):
        one.metadata = {"pattern": "^[^,]+$", **one.metadata}  # a comma ends a value
        one.validators = [*one.validators, validate.Length(min=1)]
    if known.takes == "values":
        length = validate.Length(1, MAX_VALUES)
        return DelimitedList(one, validate=length, metadata={"description": says})
    if known.takes == "pair":
        return DelimitedList(one, validate=validate.Length(equal=2), metadata={"description": says})
    own = declared.field
    if operator == "eq":  # a default, or being required, is about the plain parameter
        one.load_default, one.required = own.load_default, own.required
    one.metadata = {"description": says, **own.metadata}
    return one


def _one_value(declared: Filter) -> AnyField:
    field = copy.copy(declared.field)
    field.__class__ = _from_query(cast("Any", type(field)))
    field.kind = declared.kind  # type: ignore[attr-defined]  # of the class above
    field.data_key = field.attribute = None
    field.load_default, field.required = missing, False
    field.validators = list(field.validators)
    if isinstance(field, fields.Integer):
        field.validators.append(validate.Range(*integer_range(declared.kind)))
    return field
