"""Whether the database itself keeps logins unique: without that, two people who register at once can get the same one."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context
from sqlalchemy import Column, PrimaryKeyConstraint, UniqueConstraint

from .._state import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table


def warn_unless_unique(attribute: Any) -> None:
    """Log a warning when no unique constraint or index covers exactly the column, or its lower-case form."""
    column = attribute.property.columns[0]
    if is_unique(column):
        return
    state = state_of(current_app) if has_app_context() else None
    log: Any = logging.getLogger("flask_backend_patterns") if state is None else state.log
    log.warning("login_not_unique: add a unique index, see docs/users.md")


def is_unique(column: Column[Any]) -> bool:
    """Whether a unique constraint or index is on exactly this column, or on `lower(column)`."""
    covered = ([column.name], [f"lower({column.name})"])
    return bool(column.unique) or any(part in covered for part in _unique(column.table))


def _unique(table: Table) -> Iterator[list[str]]:
    """What the primary key and each unique constraint and index of the table is on."""
    for constraint in table.constraints:
        if isinstance(constraint, (UniqueConstraint, PrimaryKeyConstraint)):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        if index.unique:
            yield [_plain(expression) for expression in index.expressions]


def _plain(expression: Any) -> str:
    """The expression without the names of tables, and quotes."""
    if isinstance(expression, Column):
        return expression.name
    return re.sub(r'(?:"[^"]*"|\w+)\.|"', "", str(expression))
