"""Types under which sort values leave the database and come back unchanged.

A cursor is compared with what is stored; a value that is rounded on its way would repeat a row or skip one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Numeric, bindparam, cast, literal, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import Enum, NullType, TypeDecorator, TypeEngine


class ExactNumber(TypeDecorator[Any]):
    """NUMERIC: a Decimal, where the database has them; SQLite stores floats, which SQLAlchemy would round to its scale."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A float on SQLite, else a Decimal whatever the column makes of it."""
        exact: TypeEngine[Any] = Float() if dialect.name == "sqlite" else Numeric(asdecimal=True)
        return dialect.type_descriptor(exact)


def exact_type(column: ColumnElement[Any]) -> TypeEngine[Any]:
    """The type to read and compare the values of `column` by."""
    kind = column.type
    if isinstance(kind, Float):
        return kind.adapt(type(kind), asdecimal=False) if kind.asdecimal else kind
    if isinstance(kind, Numeric):
        return ExactNumber()
    return kind


def as_read(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`column` for the select list."""
    kind = exact_type(column)
    return column if kind is column.type else type_coerce(column, kind)


def as_bound(column: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    """`value` as a parameter to compare with `column`."""
    kind = exact_type(column)
    if isinstance(kind, NullType):
        return literal(value)
    bound = literal(value, kind)
    # A driver sends doubles: 0.1 of a REAL is another number than 0.1 of a DOUBLE PRECISION.
    return cast(bound, kind) if isinstance(kind, Float) else bound


def kind_of_bound(column: ColumnElement[Any], value: Any) -> type[TypeEngine[Any]] | None:
    """The class of the type that `value` is sent as, where `column` has no type of its own."""
    return type(literal(value).type) if isinstance(column.type, NullType) else None


def as_parameter(
    column: ColumnElement[Any], name: str, kind: type[TypeEngine[Any]] | None
) -> ColumnElement[Any]:
    """The same for a value that is given when the statement is executed."""
    if kind is not None:
        return bindparam(name, type_=kind())
    exact = exact_type(column)
    bound: ColumnElement[Any] = bindparam(name, type_=exact)
    return cast(bound, exact) if isinstance(exact, Float) else bound


def enum_class(column: Any) -> Any:
    """The Enum class of a column's values, None when they are something else."""
    kind = getattr(column, "type", None)
    return kind.enum_class if isinstance(kind, Enum) else None
