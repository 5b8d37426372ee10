"""The tags of SQLAlchemy models that change: `__cache_tags__ = ("product:{id}", "products")`."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import RelationshipDirection
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from .._config import SetupError
from .session_work import log_failure
from .templates import filler, literals_and_fields, text_in_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Mapper, ORMExecuteState, Session

_ROWS_AT_ONCE: Final = 500


class _Tag:
    """One template of a model, compiled."""

    def __init__(self, template: str, where: str) -> None:
        self.template = template
        self.where = where
        literals, self.names = literals_and_fields(template, where=where)
        self._fill = filler(literals)

    def texts(self, values_of: Callable[[str], Sequence[Any]]) -> Iterator[str]:
        """With each value of each field; none where a field has no value."""
        choices = [
            [text_in_template(value, name, self.where) for value in values_of(name)] for name in self.names
        ]
        return map(self._fill, itertools.product(*choices))


def check_mapped(_mapper: object, model_class: type) -> None:
    """Raise `SetupError` for tags of attributes that the model does not have: a listener of `mapper_configured`."""
    for tag in _tags_of_class(model_class):
        for name in tag.names:
            if not hasattr(model_class, name.split(".")[0]):
                raise SetupError(
                    f"{tag.where}: {tag.template!r} names {name!r}, which the model does not have."
                )


def tags_of_flush(session: Session, context: Any) -> set[str]:
    """The tags of all objects that a flush has inserted, updated or deleted, with old and new values."""
    tags: set[str] = set()
    for state, (is_deleted, is_listed_only) in list(context.states.items()):
        model = state.obj()
        if model is None or is_listed_only or not _tags_of_class(type(model)):
            continue
        if is_deleted or model in session.new or session.is_modified(model):
            tags.update(_tags_of(session, model))
    return tags


def tags_before_flush(session: Session) -> set[str]:
    """The tags that cannot be known after the flush: of old values that were never loaded, and of deleted objects."""
    tags: set[str] = set()
    with session.no_autoflush:
        for model in session.deleted:
            tags.update(_tags_of(session, model))
        for model in session.dirty:
            mapper = inspect(model).mapper
            behind = {
                key for tag in _tags_of_class(type(model)) for key in _columns_behind(mapper, tag.names)
            }
            unknown = [key for key in sorted(behind) if _has_unknown_past(model, key)]
            if unknown:
                tags.update(_tags_of(session, model, _stored(session, model, unknown)))
    return tags


def tags_of_statement(execution: ORMExecuteState) -> set[str]:
    """The tags of the rows that an INSERT or UPDATE lists, else those without fields of its model."""
    if not (execution.is_insert or execution.is_update or execution.is_delete):
        return set()
    mapper = execution.bind_mapper
    if mapper is None:
        return set()
    known = _tags_of_class(mapper.class_)
    tags = {tag.template for tag in known if not tag.names}
    rows = _listed_rows(execution)
    if rows is not None:
        tags.update(_tags_of_rows(execution, mapper, rows))
    elif known and not tags and not execution.is_insert:
        log_failure(
            "cache_tags_unknown",
            model=mapper.class_.__qualname__,
            hint="An UPDATE or DELETE statement forgets tags without a field only, and it has none: add one, such as "
            f'"{mapper.class_.__qualname__.lower()}s", or name what it changes by invalidate_after_commit.',
        )
    return tags


def _tags_of_class(model_class: type) -> tuple[_Tag, ...]:
    templates = getattr(model_class, "__cache_tags__", ())
    if not templates:
        return ()
    where = f"{model_class.__qualname__}.__cache_tags__"
    if isinstance(templates, str):
        raise SetupError(f"{where} takes a list: ({templates!r},).")
    return _compiled(tuple(templates), where)


@functools.lru_cache(maxsize=1000)
def _compiled(templates: tuple[str, ...], where: str) -> tuple[_Tag, ...]:
    return tuple(_Tag(template, where) for template in templates)


def _tags_of(session: Session, model: Any, stored: Mapping[str, Any] | None = None) -> set[str]:
    """Each template, with each value that the attributes have now, had before, and have in the database (`stored`)."""
    tags: set[str] = set()
    with session.no_autoflush:
        for tag in _tags_of_class(type(model)):
            try:
                tags.update(tag.texts(lambda name: _values_of(session, model, name, stored or {})))
            except Exception as error:  # noqa: BLE001 - the write is worth more than one of its tags
                log_failure("cache_tags_failed", error, tag=tag.template, where=tag.where)
    return tags


def _values_of(session: Session, model: Any, name: str, stored: Mapping[str, Any]) -> list[Any]:
    state = inspect(model)
    key = _column_key(state.mapper, name)
    if key is not None:
        values = [stored[key]] if key in stored else []
        values.append(getattr(model, key))
        if key in state.attrs:
            values += state.attrs[key].history.deleted or ()
        return _distinct(values if key == name else [value for value in values if value is not None])
    first, *path = name.split(".")
    if not path:
        return [getattr(model, first)]
    found = [_followed(owner, path) for owner in _owners(session, model, first, stored)]
    return _distinct(value for value in found if value is not None)


def _owners(session: Session, model: Any, first: str, stored: Mapping[str, Any]) -> list[Any]:
    """What the attribute is and was; of a relationship also what its foreign keys point to, and did."""
    state = inspect(model)
    relation = state.mapper.relationships.get(first)
    if relation is None or relation.direction is not RelationshipDirection.MANYTOONE:
        return [getattr(model, first)]
    history = state.get_history(first, PASSIVE_NO_INITIALIZE)
    owners = [*(history.added or ()), *(history.unchanged or ()), *(history.deleted or ())]
    target = relation.mapper
    locals_by_remote = {remote: local for local, remote in relation.local_remote_pairs or ()}
    if set(locals_by_remote) != set(target.primary_key):
        return [*owners, getattr(model, first)]
    keys = [
        state.mapper.get_property_by_column(locals_by_remote[column]).key for column in target.primary_key
    ]
    identities = itertools.product(*(_values_of(session, model, key, stored) for key in keys))
    owners += [session.get(target.class_, identity) for identity in identities if None not in identity]
    return owners


def _followed(value: Any, path: Iterable[str]) -> Any:
    for attribute in path:
        if value is None:
            return None
        value = getattr(value, attribute)
    return value


def _column_key(mapper: Mapper[Any], name: str) -> str | None:
    """The attribute of a column that has this value: its own, or the foreign key's for `owner.id`."""
    if name in mapper.column_attrs:
        return name
    first, *path = name.split(".")
    relation = mapper.relationships.get(first)
    if relation is None or len(path) != 1 or relation.direction is not RelationshipDirection.MANYTOONE:
        return None
    for local, remote in relation.local_remote_pairs or ():
        if relation.mapper.get_property_by_column(remote).key == path[0]:
            return mapper.get_property_by_column(local).key
    return None


def _columns_behind(mapper: Mapper[Any], names: Iterable[str]) -> Iterator[str]:
    """The attributes of columns that these values come from."""
    for name in names:
        key = _column_key(mapper, name)
        relation = mapper.relationships.get(name.split(".")[0])
        if key is not None:
            yield key
        elif relation is not None and relation.direction is RelationshipDirection.MANYTOONE:
            for local, _ in relation.local_remote_pairs or ():
                yield mapper.get_property_by_column(local).key


def _has_unknown_past(model: Any, key: str) -> bool:
    """Whether a column's attribute was set, or will be by a relationship, that had not been loaded: its old value is unknown."""
    state = inspect(model)
    if not state.persistent:
        return False
    history = state.get_history(key, PASSIVE_NO_INITIALIZE)
    if history.added:
        return not history.deleted
    if key in state.dict:
        return False
    column = state.mapper.column_attrs[key].columns[0]
    return any(
        column in relation.local_columns
        and bool(state.get_history(relation.key, PASSIVE_NO_INITIALIZE).added)
        for relation in state.mapper.relationships
        if relation.direction is RelationshipDirection.MANYTOONE
    )


def _stored(session: Session, model: Any, keys: list[str]) -> dict[str, Any]:
    """What the database has: asked for where nobody else knows it."""
    state = inspect(model)
    mapper = state.mapper
    statement = select(*[getattr(mapper.class_, key) for key in keys])
    for column, value in zip(mapper.primary_key, state.identity, strict=True):
        statement = statement.where(column == value)
    row = session.execute(statement).first()
    return {} if row is None else dict(zip(keys, row, strict=True))


def _listed_rows(execution: ORMExecuteState) -> list[Mapping[str, Any]] | None:
    """The rows of `execute(insert(Model), [...])`, and of an update by primary key."""
    rows = execution.parameters
    if not isinstance(rows, list) or getattr(execution.statement, "whereclause", None) is not None:
        return None
    return rows


def _tags_of_rows(
    execution: ORMExecuteState, mapper: Mapper[Any], rows: Sequence[Mapping[str, Any]]
) -> set[str]:
    tags: set[str] = set()
    known = [tag for tag in _tags_of_class(mapper.class_) if tag.names]
    keys = {name: _column_key(mapper, name) for tag in known for name in tag.names}
    needed = sorted({key for key in keys.values() if key is not None})
    for position in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[position : position + _ROWS_AT_ONCE]
        stored = _stored_rows(execution, mapper, some, needed) if execution.is_update else {}
        for row in some:
            old = stored.get(_identity(mapper, row), {})
            for tag in known:
                tags.update(tag.texts(lambda name: _row_values(keys[name], row, old)))  # noqa: B023 - used at once
    return tags


def _row_values(key: str | None, *rows: Mapping[str, Any]) -> list[Any]:
    return [] if key is None else _distinct(row[key] for row in rows if key in row)


def _identity(mapper: Mapper[Any], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(mapper.get_property_by_column(column).key) for column in mapper.primary_key)


def _stored_rows(
    execution: ORMExecuteState, mapper: Mapper[Any], rows: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    columns = list(mapper.primary_key)
    identities = [_identity(mapper, row) for row in rows]
    is_one = len(columns) == 1
    chosen = columns[0].in_([only for (only,) in identities]) if is_one else tuple_(*columns).in_(identities)
    statement = select(*columns, *[getattr(mapper.class_, key) for key in keys]).where(chosen)
    with execution.session.no_autoflush:
        found = execution.session.execute(statement).all()
    return {tuple(row[: len(columns)]): dict(zip(keys, row[len(columns) :], strict=True)) for row in found}


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
