"""What the answers of a view differ by: `vary_on=["actor", "header:Accept-Language", "query:page"]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self

from ..._config import SetupError
from ..._view_arguments import FromPath

if TYPE_CHECKING:
    from collections.abc import Iterator

# Field names (RFC 9110, 5.1), and those of cookies.
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER, QUERY, COOKIE = "header:", "query:", "cookie:"
EXPECTED: Final = (
    "'actor', 'roles', 'shared', 'header:Name', 'query:name', 'cookie:name' and functions of path arguments"
)


class Identity(Enum):
    """What is said about callers."""

    UNSAID = ""
    SHARED = "shared"  # everybody who may call gets the same
    ROLES = "roles"
    ACTOR = "actor"


@dataclass(frozen=True, kw_only=True)
class Vary:
    """What tells the answers of one view apart, beside its path, the host and the format asked for.

    `query` holds the parameters that count, None when all do. `functions` say the rest.
    """

    identity: Identity = Identity.UNSAID
    headers: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    query: tuple[str, ...] | None = None
    functions: tuple[FromPath, ...] = ()
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, vary_on: Iterable[str | Callable[..., Any]] | None) -> Self:
        """What `vary_on` says; raises `SetupError` for what nothing can vary by."""
        if isinstance(vary_on, str) or callable(vary_on):
            raise SetupError(f"vary_on={vary_on!r}: give a list, vary_on=[{vary_on!r}].")
        items = list(vary_on or ())
        texts = [item for item in items if isinstance(item, str)]
        if strange := [item for item in items if not _is_known(item)]:
            raise SetupError(f"vary_on has {strange[0]!r}; it takes {EXPECTED}.")
        identities = [item for item in Identity if item.value in texts]
        if len(identities) > 1:
            names = " and ".join(item.value for item in identities)
            raise SetupError(f"vary_on has {names}, of which one is enough: actor covers roles.")
        query = tuple(_after(QUERY, texts))
        return cls(
            identity=identities[0] if identities else Identity.UNSAID,
            headers=tuple(dict.fromkeys(name.title() for name in _after(HEADER, texts))),
            cookies=tuple(_after(COOKIE, texts)),
            query=query or None,
            functions=tuple(FromPath(item) for item in items if callable(item)),
            texts=tuple(item if isinstance(item, str) else _name_of(item) for item in items),
        )

    @property
    def says_who(self) -> bool:
        """Whether it is said how answers differ from caller to caller, or that they do not."""
        return self.identity is not Identity.UNSAID or bool(self.functions)

    @property
    def is_personal(self) -> bool:
        """Whether two callers may get different answers."""
        return self.identity in {Identity.ACTOR, Identity.ROLES} or bool(self.functions)

    @property
    def is_for_one(self) -> bool:
        """Whether an answer is given to nobody but the one it was made for."""
        return self.identity is Identity.ACTOR or bool(self.functions)

    def field_names(self) -> tuple[str, ...]:
        """What the `Vary` of its responses names (RFC 9110, 12.5.5): what they differ by that is in the request."""
        names = ["Accept", *self.headers]
        if self.is_personal:
            names += ["Authorization", "Cookie"]
        elif self.cookies:
            names.append("Cookie")
        return tuple(dict.fromkeys(names))


def _is_known(item: Any) -> bool:
    if not isinstance(item, str):
        return callable(item)
    if item.startswith((HEADER, COOKIE)):
        return TOKEN.fullmatch(item.partition(":")[2]) is not None
    if item.startswith(QUERY):
        return item != QUERY
    return item in {identity.value for identity in Identity} - {""}


def _after(prefix: str, texts: Iterable[str]) -> Iterator[str]:
    return (text.removeprefix(prefix) for text in dict.fromkeys(texts) if text.startswith(prefix))


def _name_of(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "a function" if name == "<lambda>" else f"{name}()"
