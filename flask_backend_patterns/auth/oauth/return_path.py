"""Where the browser goes after the login: paths of this site only."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

MAX_CHARACTERS: Final = 1_024
# What browsers drop, or take for a slash, while they read a URL (WHATWG URL, 4.4); `//` names another host.
_STRANGE = re.compile(r"[\x00-\x1f\x7f\\]|//")
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")
_SAFE = "/?#[]@!$&'()*+,;=:~-._%"


def same_site_path(wanted: str) -> str | None:
    """`wanted` as the value of a `Location`, if it is an absolute path of this site with or without a query; else None.

    Judged again after each round of percent-decoding, since something on the way may decode once more.
    """
    if len(wanted) > MAX_CHARACTERS:
        return None
    path = re.split(r"[?#]", wanted, maxsplit=1)[0]
    if re.search(r"[\x00-\x1f\x7f]", wanted):
        return None
    for _ in range(4):
        if not path.startswith("/") or _STRANGE.search(path) or _DOTS.search(path):
            return None
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    else:
        return None
    location = quote(wanted, safe=_SAFE, errors="replace")
    return location if len(location) <= MAX_CHARACTERS else None
