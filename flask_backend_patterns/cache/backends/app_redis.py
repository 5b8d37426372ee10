"""What the Redis client of an app's own cache is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

_TLS_OPTIONS: Final = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


def is_redis_backend(backend: Any) -> bool:
    """Whether a backend of Flask-Caching keeps its values in Redis."""
    return getattr(backend, "_write_client", None) is not None and hasattr(backend, "key_prefix")


def prefix_of(backend: Any) -> str:
    """What the backend puts before its keys."""
    prefix = backend.key_prefix
    return str(prefix() if callable(prefix) else prefix or "")


def url_of(client: Any) -> str | None:
    """A URL that leads where `client` is connected to; None where no URL can say it (Sentinel, Cluster, TLS contexts)."""
    from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return None
    options: Mapping[str, Any] = pool.connection_kwargs
    if options.get("credential_provider") is not None or options.get("ssl_context") is not None:
        return None
    user, password = (quote(options.get(name) or "", safe="") for name in ("username", "password"))
    login = f"{user}:{password}@" if password else ""
    database = options.get("db") or 0
    if pool.connection_class is UnixDomainSocketConnection:
        return f"unix://{login}{quote(options['path'])}?db={database}"
    if pool.connection_class not in (Connection, SSLConnection):
        return None
    scheme, query = "redis", ""
    if pool.connection_class is SSLConnection:
        given = {name: options[name] for name in _TLS_OPTIONS if isinstance(options.get(name), str)}
        scheme, query = "rediss", f"?{urlencode(given)}" if given else ""
    host = options.get("host", "localhost")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{login}{host}:{options.get('port', 6379)}/{database}{query}"


def is_same(one: Any, other: Any) -> bool:
    """Whether two clients see the same keys; asks the servers unless the addresses say so. Redis errors pass through.

    True when it cannot be told: a Cluster answers for one of its nodes.
    """
    if has_same_address(one, other):
        return True
    ids = [client.info("server").get("run_id") for client in (one, other)]
    return None in ids or (ids[0] == ids[1] and _database(one) == _database(other))


def has_same_address(one: Any, other: Any) -> bool:
    """Whether two clients are connected to the same database of the same server by the same name."""
    address = _address(one)
    return address is not None and address == _address(other)


def _address(client: Any) -> tuple[Any, ...] | None:
    pool = getattr(client, "connection_pool", None)
    options = getattr(pool, "connection_kwargs", {})
    place = options.get("path") or (options.get("host"), options.get("port"))
    return None if place == (None, None) else (place, _database(client))


def _database(client: Any) -> int:
    pool = getattr(client, "connection_pool", None)
    return int(getattr(pool, "connection_kwargs", {}).get("db") or 0)
