"""`Link` headers of lists (RFC 8288): absolute paths that keep the other query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from flask import Request

SAFE_IN_PATH = "/~!$&'()*+,;=:@-._"


def link_header(request: Request, links: Mapping[str, Mapping[str, str | None]]) -> str:
    """The header's value: each relation's URL is the request's with query parameters changed, or left out (None)."""
    path = quote(request.root_path + request.path, safe=SAFE_IN_PATH)
    kept = list(request.args.items(multi=True))
    parts = []
    for relation, changes in links.items():
        pairs = [(name, value) for name, value in kept if name not in changes]
        pairs += [(name, value) for name, value in changes.items() if value is not None]
        query = f"?{urlencode(pairs)}" if pairs else ""
        parts.append(f'<{path}{query}>; rel="{relation}"')
    return ", ".join(parts)
