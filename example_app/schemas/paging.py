"""`?page= &limit= &sort=` and the `meta` that answers them. A later issue replaces this by the package's `Page`."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marshmallow import Schema, ValidationError, fields, post_load, validate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MAX_PAGE = 1_000_000
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One page: `page` counts from 1; `sort` holds (key, descending)."""

    page: int
    limit: int
    sort: tuple[tuple[str, bool], ...] = ()

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return (self.page - 1) * self.limit

    def meta(self, total: int) -> dict[str, object]:
        """The `meta` of a page of `total` items."""
        pages = -(-total // self.limit)
        return {
            "page": self.page,
            "limit": self.limit,
            "total": total,
            "totalPages": pages,
            "hasNext": self.page < pages,
            "hasPrev": self.page > 1,
        }


class WholeNumber(fields.Integer):
    """ASCII digits only: Python itself takes `1_0`, spaces and the digits of every script."""

    def _validated(self, value: object) -> int:
        if not _WHOLE_NUMBER.fullmatch(str(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class PageQuerySchema(Schema):
    """`page` from 1, `limit` from 1 to 100; anything else is refused."""

    page = WholeNumber(load_default=1, validate=validate.Range(1, _MAX_PAGE))
    limit = WholeNumber(load_default=20, validate=validate.Range(1, 100))

    @post_load
    def make(self, data: Mapping[str, int], **_: object) -> PageRequest:
        """The validated page."""
        return PageRequest(**data)  # type: ignore[arg-type]  # the fields above are its fields


class LongPageQuerySchema(PageQuerySchema):
    """The same with `limit` up to 1,000, 100 by default."""

    limit = WholeNumber(load_default=100, validate=validate.Range(1, 1_000))


class SortField(fields.Field[tuple[tuple[str, bool], ...]]):
    """`-price,name`: keys of an allow-list, each at most once, with `-` for descending."""

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__(load_default=(), metadata={"type": "string", "example": "-price,name"})
        self._allowed = allowed

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **_: object
    ) -> tuple[tuple[str, bool], ...]:
        del attr, data
        keys = [(part.removeprefix("-"), part.startswith("-")) for part in str(value).split(",")]
        names = [name for name, _ in keys]
        if not set(names) <= set(self._allowed) or len(set(names)) != len(names):
            raise ValidationError(f"Must be some of: {', '.join(sorted(self._allowed))}; each at most once.")
        return tuple(keys)


class MetaSchema(Schema):
    """Where a page stands."""

    page = fields.Integer()
    limit = fields.Integer()
    total = fields.Integer()
    totalPages = fields.Integer()  # noqa: N815 - the contract's name
    hasNext = fields.Boolean()  # noqa: N815 - the contract's name
    hasPrev = fields.Boolean()  # noqa: N815 - the contract's name


@functools.cache
def one_of(schema: type[Schema]) -> Schema:
    """`{"data": {...}}`."""
    name = f"{schema.__name__.removesuffix('Schema')}Answer"
    return Schema.from_dict({"data": fields.Nested(schema)}, name=name)()


@functools.cache
def page_of(schema: type[Schema]) -> Schema:
    """`{"data": [...], "meta": {...}}`."""
    name = f"{schema.__name__.removesuffix('Schema')}Page"
    content = {"data": fields.List(fields.Nested(schema)), "meta": fields.Nested(MetaSchema)}
    return Schema.from_dict(content, name=name)()
