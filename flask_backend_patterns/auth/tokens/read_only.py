"""JSON that many requests share: dicts and lists that refuse to change, and are dicts and lists for everybody else."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from .faults import TokenFault

MAX_DEPTH = 16


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    del args, kwargs
    raise TypeError(f"{type(self).__name__} belongs to all requests with this token; change a copy of it.")


class ReadOnlyDict(dict[str, Any]):
    """A dict that refuses to change; `copy.deepcopy` gives a plain one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", thawed(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (thawed(self),)


class ReadOnlyList(list[Any]):
    """A list that refuses to change; `copy.deepcopy` gives a plain one."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return cast("list[Any]", thawed(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (thawed(self),)


def frozen(value: Any, depth: int = 0) -> Any:
    """The same JSON, read-only; raises `TokenFault` for what is nested deeper than anybody means it."""
    if depth > MAX_DEPTH:
        raise TokenFault("nested too deeply")
    if isinstance(value, dict):
        return ReadOnlyDict({name: frozen(item, depth + 1) for name, item in value.items()})
    if isinstance(value, list):
        return ReadOnlyList([frozen(item, depth + 1) for item in value])
    return value


def thawed(value: Any) -> Any:
    """A copy of what `frozen` returned, as plain dicts and lists."""
    if isinstance(value, dict):
        copied = dict(value)
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                copied[name] = thawed(item)
        return copied
    if isinstance(value, list):
        return [thawed(item) if isinstance(item, (dict, list)) else item for item in value]
    return value
