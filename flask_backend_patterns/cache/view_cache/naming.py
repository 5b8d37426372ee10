"""What entries are called and tagged by: templates of path arguments (`"product:{product_id}"`), or functions of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..._config import SetupError
from ..._view_arguments import FromPath
from ..names import tag_name
from ..templates import Arguments, Builder, Tags, TagsBuilder, Template, fields_of, key_builder, tags_builder


@dataclass(frozen=True, kw_only=True, eq=False)
class Naming:
    """What was given as `key=` and `tags=`; functions take the path arguments that they name."""

    key: Template | None
    tags: Tags

    @classmethod
    def of(cls, key: Template | None, tags: Iterable[Template] | Callable[..., Sequence[str]]) -> Self:
        """Raises `SetupError` for what is no template and no function."""
        if isinstance(tags, str):
            raise SetupError(f"@cached_view: tags takes a list: tags=[{tags!r}].")
        given = [] if callable(tags) else list(tags)
        for template in (*given, *(() if key is None else (key,))):
            if isinstance(template, str):
                fields_of(template, where="@cached_view")
            elif not callable(template):
                raise SetupError(f"@cached_view: {template!r} is neither a template nor a function.")
        return cls(
            key=key if key is None or isinstance(key, str) else _from_path(key),
            tags=_from_path(tags)
            if callable(tags)
            else [item if isinstance(item, str) else _from_path(item) for item in given],
        )

    def of_path(self, names: Iterable[str], where: str) -> PathNaming:
        """For a path with these arguments; `SetupError` when a template names another one."""
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        arguments = Arguments(inspect.Signature(parameters), where=where)
        key = None if self.key is None else key_builder(self.key, arguments)
        return PathNaming(key=key, tags=tags_builder(self.tags, arguments) if self.tags else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class PathNaming:
    """The same, compiled for one path."""

    key: Builder | None
    tags: TagsBuilder | None

    def key_of(self, arguments: Mapping[str, Any]) -> str | None:
        """What `key=` says of a request with these path arguments; None where it was not given."""
        return None if self.key is None else self.key((), arguments)

    def tags_of(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The tags of its response."""
        return () if self.tags is None else tuple(map(tag_name, self.tags((), arguments)))


def _from_path(function: Callable[..., Any]) -> Callable[..., Any]:
    call = FromPath(function)
    return lambda *_args, **_arguments: call()
