"""What can only be looked at once an app has all its routes and extensions: at its first request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._boundary import Exchange
    from ._contribution import RequestHook


def at_first_request(look: Callable[[], object]) -> RequestHook:
    """A hook that calls `look` at the first request; other requests wait for it. Called again where it has raised."""
    looking = threading.Lock()
    looked: list[bool] = []

    def begin(_: Exchange) -> None:
        if looked:
            return
        with looking:
            if not looked:
                look()
                looked.append(True)

    return begin
