"""Where Redis is, out of one URL: a server, the one that Sentinels name, or a Cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

SENTINEL_PORT: Final = 26379
CLUSTER_PORT: Final = 6379
EXPECTED: Final = (
    "expected redis://, rediss:// or unix://, redis+sentinel://host:port,host:port/service/db or "
    "redis+cluster://host:port,host:port (rediss+... for TLS)"
)
_SEVERAL = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]+)"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?",
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server; `url` is redis-py's own."""

    url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Sentinels:
    """The Sentinels at `nodes` say where the primary of `service` is; `options` are redis-py's, with the credentials.

    `own_options` are for the Sentinels themselves.
    """

    nodes: tuple[tuple[str, int], ...]
    service: str
    options: Mapping[str, Any] = field(repr=False)
    own_options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Cluster that some of its nodes lead to; `options` are redis-py's, with the credentials."""

    nodes: tuple[tuple[str, int], ...]
    options: Mapping[str, Any] = field(repr=False)


def read_url(url: str) -> Server | Sentinels | Cluster:
    """What `url` names. Raises `ValueError`, which never shows the URL: it may hold a password.

    Beyond redis-py's own URLs: `redis+sentinel://[user:password@]host[:port][,host[:port]]/service[/db]`, with
    `?sentinel_username=` and `?sentinel_password=` for the Sentinels, and
    `redis+cluster://[user:password@]host[:port][,host[:port]]`. `rediss+...` speaks TLS to all of them. redis-py's
    options go into the query.
    """
    try:
        found = _SEVERAL.fullmatch(url)
        if found is None:
            _parsed(url)
            return Server(url=url)
        return _sentinels(found) if found["kind"] == "sentinel" else _cluster(found)
    except ValueError:
        raise ValueError(EXPECTED) from None


def _sentinels(found: re.Match[str]) -> Sentinels:
    service, _, database = (found["path"] or "")[1:].partition("/")
    if not service or not re.fullmatch(r"[0-9]*", database):
        raise ValueError
    options = _options(found)
    own = {name: value for name, value in options.items() if name.startswith("ssl")}
    for name in ("username", "password"):
        if (value := options.pop(f"sentinel_{name}", None)) is not None:
            own[name] = value
    return Sentinels(
        nodes=_nodes(found["hosts"], SENTINEL_PORT),
        service=unquote(service),
        options={**options, "db": int(database or 0)},
        own_options=own,
    )


def _cluster(found: re.Match[str]) -> Cluster:
    options = _options(found)
    if (found["path"] or "/") not in ("/", "/0") or options.pop("db", 0) != 0:
        raise ValueError  # a Cluster has one database
    return Cluster(nodes=_nodes(found["hosts"], CLUSTER_PORT), options=options)


def _options(found: re.Match[str]) -> dict[str, Any]:
    """What redis-py makes of credentials and query, whatever the hosts are."""
    user = "" if found["user"] is None else f"{found['user']}@"
    options = _parsed(f"redis://{user}host?{found['query'] or ''}")
    del options["host"]
    if found["scheme"] == "rediss":
        options["ssl"] = True
    return options


def _nodes(hosts: str, default_port: int) -> tuple[tuple[str, int], ...]:
    nodes = []
    for host in hosts.split(","):
        parts = urlsplit(f"//{host}")
        if not parts.hostname:
            raise ValueError
        nodes.append((parts.hostname, default_port if parts.port is None else parts.port))
    return tuple(nodes)


def _parsed(url: str) -> dict[str, Any]:
    from redis.connection import parse_url  # here, since importing redis takes long

    return dict(parse_url(url))  # type: ignore[no-untyped-call]
