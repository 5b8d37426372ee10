"""What an API's requests and responses look like on the wire, for APIs with a format of their own.

A `Format` says only what differs. It can be given to the app (`BACKEND_API_FORMAT`), to a `Blueprint(format=...)`, to a
blueprint nested in it, and to a view (`@blp.get("/", format=...)`); the nearer one wins, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from .._config import SetupError
from ..errors import Renderer
from .paging import Parameters
from .violations import KINDS

if TYPE_CHECKING:
    from flask.sansio.blueprints import Blueprint


class _Inherit:
    """Not said here: what is said further out counts."""

    def __repr__(self) -> str:
        return "INHERIT"


INHERIT: Final[Any] = _Inherit()


@dataclass(frozen=True, kw_only=True)
class Format:
    """The wire format of an app, blueprint or view; what is left out is inherited.

    Responses: `envelope` False sends the data bare. `data_key` names the key of one item (`article`), `list_key` that of
    a list (`articles`; None: the same), `meta_key` where a page's fields stand (None: beside the data) and `meta_names`
    which of them and under what names (`{"total": "articlesCount"}`; None: all, under ours).

    Requests: JSON bodies are wrapped in `body_key` (None: not wrapped), `ignore_unknown` tolerates unknown query and
    body fields, `parameters` names the query parameters of lists and chooses between page and offset.

    Errors: `error` is a function `(error, context) -> dict or Response` that makes every error's body, `error_schema`
    documents it (an OpenAPI schema or a marshmallow one), `resource` is handed to it, and `messages` are texts by kind
    of violation (`{"too_short": "is too short (minimum is {min} characters)"}`; another kind is a `SetupError`).
    """

    envelope: bool = INHERIT
    data_key: str = INHERIT
    list_key: str | None = INHERIT
    meta_key: str | None = INHERIT
    meta_names: Mapping[str, str] | None = INHERIT
    body_key: str | None = INHERIT
    ignore_unknown: bool = INHERIT
    parameters: Parameters = INHERIT
    error: Renderer | None = INHERIT
    error_schema: Any = INHERIT
    resource: str | None = INHERIT
    messages: Mapping[str, str] | None = INHERIT

    def __post_init__(self) -> None:
        unknown = sorted(set(self.messages or ()) - KINDS) if self.messages is not INHERIT else []
        if unknown:
            raise SetupError(
                f"Format(messages=...): {', '.join(unknown)} is none of {', '.join(sorted(KINDS))}."
            )
        self._check_meta()

    def _check_meta(self) -> None:
        """Refuse page fields that nobody knows, or that would take the place of the items."""
        names = {} if self.meta_names in (INHERIT, None) else self.meta_names
        strange = sorted(set(names) - META_FIELDS)
        if strange:
            raise SetupError(
                f"Format(meta_names=...): {', '.join(strange)} is none of {', '.join(sorted(META_FIELDS))}."
            )
        keys = {key for key in (self.data_key, self.list_key) if isinstance(key, str)}
        beside = set(names.values()) if self.meta_key is None else {self.meta_key}
        if keys & beside:
            raise SetupError(
                f"Format: {', '.join(sorted(keys & beside))} cannot be both the data and a page's field."
            )

    def within(self, outer: Format) -> Format:
        """What holds here when `outer` holds around it."""
        return Format(
            **{
                field.name: getattr(outer if getattr(self, field.name) is INHERIT else self, field.name)
                for field in fields(self)
            }
        )

    def key_for(self, *, many: bool) -> str:
        """The key that the data stands under."""
        return (self.list_key if many else None) or self.data_key

    def page_fields(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """What of a page's `meta` is sent, under the names it is sent by; for the values and for their schemas."""
        if self.meta_names is None:
            return dict(meta)
        return {self.meta_names[name]: value for name, value in meta.items() if name in self.meta_names}

    def __deepcopy__(self, memo: object) -> Self:
        return self


# What the pages of `Page` and `CursorPage` say of themselves.
META_FIELDS = frozenset(
    {
        *("page", "offset", "limit", "total", "totalPages", "hasNext", "hasPrev"),
        *("nextCursor", "prevCursor"),
    }
)
NOTHING_SAID = Format()
DEFAULT_FORMAT = Format(
    envelope=True,
    data_key="data",
    list_key=None,
    meta_key="meta",
    meta_names=None,
    body_key=None,
    ignore_unknown=False,
    parameters=Parameters(),
    error=None,
    error_schema=None,
    resource=None,
    messages=None,
)


def format_of(endpoint: str, blueprints: Mapping[str, Blueprint], outermost: Format) -> Format:
    """The format of an endpoint (`shop.products.list`): that of its view, within its blueprints, within `outermost`."""
    *names, view = endpoint.split(".")
    found = outermost
    for end in range(1, len(names) + 1):
        blueprint = blueprints.get(".".join(names[:end]))
        found = getattr(blueprint, "format", NOTHING_SAID).within(found)
        if end == len(names):
            found = getattr(blueprint, "view_formats", {}).get(view, NOTHING_SAID).within(found)
    return found
