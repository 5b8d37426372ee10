"""What a SELECT is made of. SQLAlchemy keeps some of it without a public name: those names are used here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Alias, Select, Table, inspect
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.sql.selectable import FromClause, Join

from ..._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Result


def require_pageable(statement: Select[Any]) -> None:
    """Raises `SetupError` for a SELECT that is already sorted or cut."""
    if statement._order_by_clauses:  # noqa: SLF001 - no public name
        raise SetupError(
            "The select has an ORDER BY; leave it out and give its columns to the pagination: "
            'sort={"name": Product.name}, default_sort="name".'
        )
    if statement._limit_clause is not None or statement._offset_clause is not None:  # noqa: SLF001 - no public name
        raise SetupError("The select has a LIMIT or OFFSET; the pagination sets both. Leave them out.")


def is_grouped(statement: Select[Any]) -> bool:
    """Whether it has a GROUP BY."""
    return bool(statement._group_by_clauses)  # noqa: SLF001 - no public name


def is_distinct(statement: Select[Any]) -> bool:
    """Whether it has a DISTINCT."""
    return bool(statement._distinct)  # noqa: SLF001 - no public name


def criteria_of(statement: Select[Any]) -> list[LoaderCriteriaOption]:
    """Its `with_loader_criteria` options, which SQLAlchemy does not apply inside a subquery."""
    options = statement._with_options  # noqa: SLF001 - no public name
    return [option for option in options if isinstance(option, LoaderCriteriaOption)]


def needs_unique(result: Result[Any]) -> bool:
    """Whether joined eager loading repeats entities in the rows, which SQLAlchemy wants to be told of."""
    return getattr(result, "_unique_filter_state", None) is not None


def entities_of(statement: Select[Any]) -> list[Any]:
    """The mapped classes (or aliases) that are selected as a whole; empty when only columns are."""
    return [found["expr"] for found in statement.column_descriptions if _is_entity(found)]


def is_of_one_entity(statement: Select[Any]) -> bool:
    """Whether each row is one entity and nothing else."""
    descriptions = statement.column_descriptions
    return len(descriptions) == 1 and _is_entity(descriptions[0])


def primary_key_of(entity: Any) -> list[Any]:
    """The attributes of an entity that are its primary key."""
    mapper = inspect(entity).mapper
    return [getattr(entity, mapper.get_property_by_column(column).key) for column in mapper.primary_key]


def may_be_null(column: Any, statement: Select[Any]) -> bool:
    """Whether a sort column can be NULL in a row: by its own declaration, or as the far side of an outer join.

    An expression, or a column of a subquery, may always be: what it is declared as says nothing about its values.
    """
    table = getattr(column, "table", None)
    real = table.element if isinstance(table, Alias) else table
    if not isinstance(real, Table) or getattr(column, "nullable", True):
        return True
    return table in _null_extended(statement)


def _null_extended(statement: Select[Any]) -> set[FromClause]:
    """The tables whose columns are NULL where an outer join found no partner."""
    has_joins = statement._setup_joins or statement._from_obj  # noqa: SLF001 - no public name
    if not has_joins and not any(map(_is_joined_by_mapping, entities_of(statement))):
        return set()
    return {table for source in statement.get_final_froms() for table in _outer_side(source, outer=False)}


def _outer_side(source: FromClause, *, outer: bool) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _outer_side(source.left, outer=outer or source.full)
        yield from _outer_side(source.right, outer=outer or source.full or source.isouter)
    elif outer:
        yield source


def _is_joined_by_mapping(entity: Any) -> bool:
    found = inspect(entity)
    return bool(found.with_polymorphic_mappers) or isinstance(found.selectable, Join)


def _is_entity(description: Any) -> bool:
    entity = description.get("entity")  # missing where no ORM class takes part
    return entity is not None and description["expr"] is entity


def is_in_from(target: FromClause, statement: Select[Any]) -> bool:
    """Whether the SELECT reads the table (or alias, or tables of a mapped join) already, in a join of any kind."""
    known = {table for source in statement.get_final_froms() for table in _tables(source)}
    return _tables(target) <= known


def require_in_from(clause: Any, statement: Select[Any], remedy: str) -> None:
    """Raises `SetupError` when `clause` is of a table that the SELECT does not read: rows would be multiplied by it."""
    tables = set(getattr(clause, "_from_objects", ()))
    if not tables:
        return
    of_entities = {
        table for entity in entities_of(statement) for table in _tables(inspect(entity).selectable)
    }
    if tables <= of_entities:  # nearly always, and the other look is slow
        return
    if not all(is_in_from(table, statement) for table in tables):
        raise SetupError(f"{clause} is of a table that the select does not read; {remedy}")


def _tables(source: FromClause) -> set[FromClause]:
    if isinstance(source, Join):
        return _tables(source.left) | _tables(source.right)
    return {source}
