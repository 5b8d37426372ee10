"""How caches learn that a value has changed: the port, and the format of its messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

# Takes the keys whose values have changed; None means that any value may have changed.
Listener: TypeAlias = "Callable[[tuple[str, ...] | None], None]"

# The message that says "any value may have changed". Every other message is a JSON list of keys, in UTF-8.
EVERYTHING: Final = "*"


class InvalidationFeed(Protocol):
    """Tells its listeners which keys have changed, in this process and elsewhere."""

    @property
    def is_trusted(self) -> bool:
        """Whether the listeners have been told of every change up to now, but for the last moments.

        Before it becomes True again the listeners have been told that any value may have changed. Must be cheap.
        """

    def listen(self, listener: Listener) -> None:
        """Call `listener` for every change from now on, in any thread; it should be quick and must not raise."""

    def publish(self, *keys: str) -> None:
        """The values of `keys` have changed: to be called after the write.

        The listeners of this process know it on return. Raises `CacheError` when the others could not be told.
        """


def encode_keys(keys: tuple[str, ...]) -> str:
    """The message for `keys`."""
    return json.dumps(keys)


def decode_keys(message: bytes | str) -> tuple[str, ...] | None:
    """The keys in a message; None for all. Of a message that cannot be read nothing is known, so it means all, too."""
    try:
        keys = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if keys == {}:
        return ()  # an empty table of Lua
    if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
        return tuple(keys)
    return None


def publish_script() -> str:
    """Lua source of `publish_keys(channel, keys)`, to be put before a script that writes.

    So the write and its message are one step: `publish_script() + "redis.call('DEL', KEYS[1]) publish_keys(ARGV[1], {KEYS[1]})"`.
    """
    return (Path(__file__).parent / "backends" / "publish_keys.lua").read_text()
