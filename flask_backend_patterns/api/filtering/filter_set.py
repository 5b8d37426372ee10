"""Declares which filters a list takes: names, types, columns and operators."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias, cast

from marshmallow import fields
from sqlalchemy import String, types

from ..._config import SetupError
from ..paging.parameters import Parameters
from ..paging.sort_sources import clause_of, name_of
from .filter_values import FilterValue, FilterValues
from .operators import OPERATORS
from .wire_fields import wire_field

DEFAULT_PARAMETERS = Parameters()
AnyField: TypeAlias = fields.Field[Any]
# Types that a text from a client cannot be compared with.
NOT_TEXT = (
    types.Integer,
    types.Numeric,
    types.Float,
    types.Date,
    types.DateTime,
    types.Time,
    types.Boolean,
    types.Uuid,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Filter:
    """One filter: `field` reads its values, `column` is what they are compared with, by any of the `operators`.

    `operators` are separated by spaces, of `eq ne lt lte gt gte in between contains startswith isnull`. `join` is the
    relationship that leads to the column's table, or several one after the other: to-one relationships are joined once
    however many filters use them, over to-many ones an item is found when one related row fits all filters.
    In lists the value is the item's `attribute` (dotted: `user.email`); without it the column's name, behind the
    relationships' names, or the filter's own. `name` is the parameter's name where it cannot be a Python name.

    Raises `SetupError` when the parts do not fit together.
    """

    field: fields.Field[Any]
    column: Any = None
    operators: str = "eq"
    _: dataclasses.KW_ONLY
    join: Any = None
    attribute: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.field, type):
            object.__setattr__(self, "field", self.field())
        unknown = sorted(set(self.operator_names) - set(OPERATORS))
        if unknown or not self.operator_names:
            raise SetupError(
                f"Filter(operators={self.operators!r}): expected some of {' '.join(OPERATORS)}, separated by spaces."
            )
        if not all(hasattr(join, "property") for join in self.joins):
            raise SetupError(
                f"Filter(join={self.join!r}): expected a relationship, such as Order.user, or several."
            )
        self._check_types()

    @property
    def operator_names(self) -> tuple[str, ...]:
        """The operators, one by one."""
        return tuple(self.operators.split())

    @property
    def joins(self) -> tuple[Any, ...]:
        """The relationships on the way to the column."""
        if self.join is None:
            return ()
        return tuple(self.join) if isinstance(self.join, (list, tuple)) else (self.join,)

    @property
    def clause(self) -> Any:
        """The column as SQL; raises `SetupError` when there is none."""
        if self.column is None:
            raise SetupError("A filter without a column was used on a select; give it one.")
        return clause_of(self.column)

    @property
    def kind(self) -> Any:
        """The column's type, None without a column."""
        return None if self.column is None else self.clause.type

    def path(self, name: str) -> str:
        """Where the value is in an item of a list, for a filter that stands under `name`."""
        if self.attribute is not None or self.column is None:
            return self.attribute or name
        return ".".join([*(join.key for join in self.joins), name_of(self.column)])

    def _check_types(self) -> None:
        is_text = isinstance(self.field, fields.String) and not isinstance(self.field, fields.UUID)
        if is_text and isinstance(self.kind, NOT_TEXT):
            raise SetupError(f"Filter: a String field cannot be compared with {self.column} ({self.kind}).")
        for operator in self.operator_names:
            is_text_column = self.kind is None or (
                isinstance(self.kind, (String, types.TypeDecorator)) and not isinstance(self.kind, types.Enum)
            )
            if OPERATORS[operator].text and not (is_text and is_text_column):
                raise SetupError(f"Filter: {operator} needs a String field and a text column.")


class FilterSet:
    """The filters of a list; subclasses declare `Filter` attributes, and inherit those of their bases.

    ::

        class ProductFilters(FilterSet):
            price = Filter(fields.Integer(), Product.price_cents, "eq gte lte between")

    takes `?price=5`, `?price_gte=1`, `?price_lte=9` and `?price_between=1,9`, and nothing else.
    """

    declared: ClassVar[Mapping[str, Filter]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Filter)}
        inherited = {name: found for base in reversed(cls.__mro__[1:])
                     for name, found in vars(base).get("declared", {}).items()}  # fmt: skip
        kept = {name: found for name, found in inherited.items() if name not in vars(cls)}
        cls.declared = kept | {found.name or name: found for name, found in own.items()}
        cls._parameters(DEFAULT_PARAMETERS)

    @classmethod
    def fields(cls, parameters: Parameters = DEFAULT_PARAMETERS) -> dict[str, AnyField]:
        """A typed field for each parameter, by wire name; raises `SetupError` when two have the same."""
        return {
            wire_name: wire_field(found, name, operator)
            for wire_name, (name, found, operator) in cls._parameters(parameters).items()
        }

    @classmethod
    def parse(cls, loaded: Mapping[str, Any], parameters: Parameters = DEFAULT_PARAMETERS) -> FilterValues:
        """The filters in what a schema of `fields` has loaded; other parameters in it are left alone."""
        return FilterValues(
            tuple(
                FilterValue(
                    wire_name=wire_name,
                    filter=found,
                    path=found.path(name),
                    operator=operator,
                    value=loaded[wire_name],
                )
                for wire_name, (name, found, operator) in cls._parameters(parameters).items()
                if loaded.get(wire_name) is not None
            )
        )

    @classmethod
    def _parameters(cls, parameters: Parameters) -> Mapping[str, tuple[str, Filter, str]]:
        return _by_wire_name(cast("Any", cls), parameters)


@functools.lru_cache(maxsize=1024)
def _by_wire_name(filters: type[FilterSet], parameters: Parameters) -> Mapping[str, tuple[str, Filter, str]]:
    """Name, filter and operator of each parameter."""
    found: dict[str, tuple[str, Filter, str]] = {}
    for name, declared in filters.declared.items():
        for operator in declared.operator_names:
            wire_name = parameters.filter_name(name, operator)
            if wire_name in found:
                raise SetupError(f"{filters.__name__}: two filters take the parameter {wire_name!r}.")
            found[wire_name] = (name, declared, operator)
    return found
