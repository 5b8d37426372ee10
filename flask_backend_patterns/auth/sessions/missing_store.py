"""The session store of an app that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..._config import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


class MissingSessionStore:
    """Stands where a `SessionStore` would: access tokens still verify, but none are issued or revoked here."""

    def listen(self, forget: Callable[[str], None]) -> None:
        """Nothing: no session ever ends here."""

    def __getattr__(self, name: str) -> NoReturn:
        """`SetupError` for every other part of the protocol."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise SetupError(
            "Sessions and refresh tokens are kept in Redis; set BACKEND_REDIS_URL. "
            "Without it access tokens are verified, but nothing is issued, refreshed or revoked."
        )
