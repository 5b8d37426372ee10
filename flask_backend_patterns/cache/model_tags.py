"""The tags of SQLAlchemy models that change: `__cache_tags__ = ("product:{id}", "products")`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from .._config import SetupError
from .templates import fields_of, text_in_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.orm import ORMExecuteState, Session


def tags_of_flush(session: Session, context: Any) -> set[str]:
    """The tags of all objects that a flush has inserted, updated or deleted, with old and new values."""
    tags: set[str] = set()
    for state, (is_deleted, is_listed_only) in context.states.items():
        model = state.obj()
        if model is None or is_listed_only or not _templates_of(type(model)):
            continue
        if is_deleted or model in session.new or session.is_modified(model):
            tags.update(_tags_of(model))
    return tags


def tags_before_flush(session: Session) -> set[str]:
    """The tags that cannot be known after the flush: of old values that were never loaded, and of deleted objects."""
    tags: set[str] = set()
    with session.no_autoflush:
        for model in session.deleted:
            tags.update(_tags_of(model))
        for model in session.dirty:
            unknown = [name for name in _names_of(type(model)) if _has_unknown_past(model, name)]
            if unknown:
                tags.update(_tags_with_stored(session, model, unknown))
    return tags


def tags_of_statement(execution: ORMExecuteState) -> tuple[str, ...]:
    """The tags without fields of the model that an INSERT, UPDATE or DELETE statement is about."""
    if not (execution.is_insert or execution.is_update or execution.is_delete):
        return ()
    mapper = execution.bind_mapper
    if mapper is None:
        return ()
    where = _where(mapper.class_)
    return tuple(tag for tag in _templates_of(mapper.class_) if not fields_of(tag, where=where))


def _templates_of(model_class: type) -> tuple[str, ...]:
    templates = getattr(model_class, "__cache_tags__", ())
    if isinstance(templates, str):
        raise SetupError(f"{_where(model_class)} takes a list: ({templates!r},).")
    return tuple(templates)


def _where(model_class: type) -> str:
    return f"{model_class.__qualname__}.__cache_tags__"


def _names_of(model_class: type) -> Iterator[str]:
    """The attributes that its tags are made of."""
    for template in _templates_of(model_class):
        yield from fields_of(template, where=_where(model_class))


def _tags_of(model: Any, stored: dict[str, Any] | None = None) -> set[str]:
    """Each template, with each value that the attributes have now, had before, and have in the database (`stored`)."""
    kind = type(model)
    tags: set[str] = set()
    for template in _templates_of(kind):
        names = fields_of(template, where=_where(kind))
        values = [_values_of(model, name, stored or {}) for name in names]
        for combination in itertools.product(*values):
            tags.add(_filled(template, dict(zip(names, combination, strict=True)), _where(kind)))
    return tags


def _values_of(model: Any, name: str, stored: dict[str, Any]) -> list[Any]:
    values = [stored[name]] if name in stored else []
    first, *path = name.split(".")
    present = getattr(model, first)
    for attribute in path:
        present = getattr(present, attribute)
    values.append(present)
    state = inspect(model)
    if not path and first in state.attrs:
        values += state.attrs[first].history.deleted or ()
    return _distinct(values)


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _filled(template: str, values: dict[str, Any], where: str) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", text_in_template(value, name, where))
    return template


def _has_unknown_past(model: Any, name: str) -> bool:
    """Whether an attribute was set that had not been loaded: then SQLAlchemy does not know the old value."""
    state = inspect(model)
    if name not in state.attrs or not state.persistent:
        return False
    history = state.get_history(name, PASSIVE_NO_INITIALIZE)
    return bool(history.added) and not history.deleted


def _tags_with_stored(session: Session, model: Any, names: list[str]) -> set[str]:
    """The tags with what the database has: asked for where nobody else knows it."""
    state = inspect(model)
    mapper = state.mapper
    columns = [getattr(mapper.class_, name) for name in names]
    statement = select(*columns)
    for column, value in zip(mapper.primary_key, state.identity, strict=True):
        statement = statement.where(column == value)
    row = session.execute(statement).first()
    return _tags_of(model, dict(zip(names, row, strict=True)) if row is not None else None)
