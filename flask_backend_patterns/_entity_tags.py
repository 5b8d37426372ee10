"""Whether a client has what a response would bring it (RFC 9110, 13.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from werkzeug.datastructures import ETags

# Compression gives each coding a tag of its own: "3" is sent as "3:gzip".
CODING: Final = re.compile(r":(gzip|br|zstd|deflate)\Z")
# In the WSGI environment, while the view of `@conditional` runs: puts the ETag on the response that is made of what the
# view has returned, so that who keeps the response keeps both.
PUT_TAG_KEY: Final = "flask_backend_patterns.put_tag"


def has_tag(tags: ETags, tag: str, *, strong: bool = False) -> bool:
    """Whether the client's tags hold ours, in whichever coding it was sent to them."""
    if tags.star_tag:
        return True
    known: set[Any] = tags.as_set(include_weak=not strong)  # has None for an empty one
    return any(one is not None and tag in (one, CODING.sub("", one)) for one in known)
