"""What keys, tags and prefixes are called in messages to near caches, and in patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .._config import SetupError
from .keys import bounded
from .near_values import EVERYTHING_TAG, KEY, PREFIX, TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPECIAL = re.compile(rb"([*?\[\]\\^-])")


def near_names(*, keys: Iterable[str] = (), tags: Iterable[str] = (), prefix: str | None = None) -> list[str]:
    """As they stand in the messages of the feed: each with its kind before it."""
    names = [KEY + key for key in keys]
    names += [TAG + tag for tag in tags]
    return names if prefix is None else [*names, PREFIX + prefix]


class EveryTag(str):
    """The tag that every value has, among those that people give; equal to no text of theirs."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


EVERY_TAG: Final = EveryTag("everything")


def tag_name(tag: str) -> str:
    """What a tag is called in stores and near caches: never as the one that every value has, which is `"*"` alone.

    Tags may be made of what strangers send.
    """
    if tag is EVERY_TAG:
        return EVERYTHING_TAG
    return bounded(f"{EVERYTHING_TAG}{tag}" if tag.startswith(EVERYTHING_TAG) else tag)


def require_prefix(prefix: str) -> None:
    """Raise `SetupError` for an empty one, which would mean everything (PITFALLS R4)."""
    if not prefix:
        raise SetupError("An empty prefix would forget every value; give the beginning of the keys.")


def escape_pattern(text: bytes) -> bytes:
    """`text` for a pattern of Redis in which nothing stands for anything else."""
    return _SPECIAL.sub(rb"\\\1", text)
