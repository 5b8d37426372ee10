"""What `make run` can be told by the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_INSTANCE = Path(__file__).parent.parent.parent / "instance"
_SERVERS = ("granian", "gunicorn")
MAX_PORT = 65_535


class UsageError(Exception):
    """The environment asks for something impossible; the text is the one line to print. Exit code 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where to run and with what.

    Environment: `PORT`, `SHOP_INSTANCE`, `BACKEND_REDIS_URL` (none: a Redis of our own), `SHOP_WEB_SERVER`,
    `SHOP_DRAIN_SECONDS` (how long readiness says no before the server stops), `SHOP_GRACE_SECONDS` (how long a process
    may take to finish its work before it is killed), `SHOP_START_SECONDS`.
    """

    port: int
    instance: Path
    redis_url: str | None
    web_server: str
    drain_seconds: float
    grace_seconds: float
    start_seconds: float

    @property
    def drain_file(self) -> Path:
        """While this file exists, readiness says no."""
        return self.instance / "drain"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> RunSettings:
        """Read and check; `UsageError` names what is wrong."""
        port = environ.get("PORT", "8000")
        if not port.isdecimal() or not 1 <= int(port) <= MAX_PORT:
            raise UsageError(f"PORT must be a number from 1 to {MAX_PORT}, not {port!r}.")
        server = environ.get("SHOP_WEB_SERVER", _SERVERS[0])
        if server not in _SERVERS:
            raise UsageError(f"SHOP_WEB_SERVER must be {' or '.join(_SERVERS)}, not {server!r}.")
        return cls(
            port=int(port),
            instance=Path(environ.get("SHOP_INSTANCE") or _DEFAULT_INSTANCE).resolve(),
            redis_url=environ.get("BACKEND_REDIS_URL") or None,
            web_server=server,
            drain_seconds=_seconds(environ, "SHOP_DRAIN_SECONDS", 1.0),
            grace_seconds=_seconds(environ, "SHOP_GRACE_SECONDS", 30.0),
            start_seconds=_seconds(environ, "SHOP_START_SECONDS", 60.0),
        )


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"{name} must be a number of seconds, not {text!r}.")
    return value
