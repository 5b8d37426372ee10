"""Settings of the API layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .._config import FeatureSettings, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

# No dot segments: browsers take them out.
PLAIN_PATH = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, kw_only=True)
class ApiSettings(FeatureSettings):
    """Which paths belong to the API, and what its requests and responses look like.

    Disabled, declarations such as `@conditional` are not enforced (their views refuse), and there is no page of documents.
    """

    PREFIX: ClassVar[str] = "BACKEND_API_"

    prefixes: tuple[str, ...] = setting(
        (),
        doc="Path prefixes (`/api`) below which every error is answered in the API's format, unknown URLs included.",
    )
    format: Any = setting(
        None,
        doc="A `Format` (or its `package.module:name`) for an API with a wire format of its own: docs/formats.md.",
    )
    max_json_bytes: int | None = setting(
        1024 * 1024,
        minimum=1,
        doc="The longest JSON body that `@blp.arguments` reads; a longer one is a 413.",
    )
    cursor_secret: str | None = setting(
        None, secret=True, doc="Signs the cursors of `CursorPage`; without one `SECRET_KEY` does."
    )
    docs_path: str | None = setting(
        None, doc="Where the document is shown to people (`/docs`), by files of the app itself; None is off."
    )
    openapi_path: str | None = setting(
        None,
        doc="Where the document is; None is where flask-smorest serves it, else, with a `DOCS_PATH`, `/openapi.json`.",
    )
    etag_salt: str = setting(
        "", doc="Makes all ETags new: change it when a deploy changes what responses look like."
    )
    caller: Callable[..., Any] | None = setting(
        None,
        doc="A function `() -> str` that names who is calling, None where nobody is logged in: idempotency keys are theirs "
        "alone. Without one it is a hash of `Authorization`, `X-API-Key` and Flask's session, or else the address.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; prefixes that would never match, or match every page, are problems."""
        group = super().from_config(config, problems)
        problems += [
            f"BACKEND_API_PREFIXES has {prefix!r}; expected paths that begin with '/', without '*'"
            for prefix in group.prefixes
            if not prefix.startswith("/") or "*" in prefix
        ]
        problems += [
            f"BACKEND_API_{name} is {path!r}; expected a path that begins with '/', such as {example}"
            for name, path, example in (
                ("DOCS_PATH", group.docs_path, "/docs"),
                ("OPENAPI_PATH", group.openapi_path, "/openapi.json"),
            )
            if path is not None and not PLAIN_PATH.fullmatch(path)
        ]
        if group.docs_path is not None and group.docs_path == group.openapi_path:
            problems.append(
                f"BACKEND_API_DOCS_PATH and _OPENAPI_PATH are both {group.docs_path!r}; expected two paths"
            )
        return group
