"""One way to reach Redis: short timeouts, no hidden retries (redis-py's ten cost seconds a request, PITFALLS R1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from ._config import SettingsGroup, setting
from ._redis_url import EXPECTED, Cluster, Sentinels, read_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis


@dataclass(frozen=True, kw_only=True)
class RedisSettings(SettingsGroup):
    """Where Redis is, and how long it may take."""

    PREFIX: ClassVar[str] = "BACKEND_REDIS_"

    url: str | None = setting(
        None,
        secret=True,
        doc="`redis://`, `rediss://`, `unix://`, `redis+sentinel://host:port,host:port/service/db` or "
        "`redis+cluster://host:port,host:port`; feeds all that need Redis.",
    )
    namespace: str | None = setting(
        None,
        doc="Keeps apps apart that share a Redis: part of every key. Default: the name of the app (`app.name`).",
    )
    connect_timeout_seconds: float = setting(0.09, minimum=0.01, maximum=30, doc="For a new connection.")
    timeout_seconds: float = setting(0.09, minimum=0.01, maximum=30, doc="For one command.")
    max_connections: int = setting(
        1000,
        minimum=1,
        maximum=1_000_000,
        doc="Of one process; they are made when threads need them at the same time, and kept.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; a URL that redis-py would refuse at the first command is a problem now."""
        group = super().from_config(config, problems)
        if group.url is not None:
            try:
                read_url(group.url)
            except ValueError:
                problems.append(f"BACKEND_REDIS_URL is wrong (not shown here); {EXPECTED}")
        return group


def connect(settings: RedisSettings) -> Redis:
    """A client; connects at its first command. Thread-safe.

    It speaks RESP2 unless the URL says `protocol=3`: then answers look the same from every redis-py, and no
    notification of the server lengthens the timeouts.
    """
    from redis import Redis

    if settings.url is None:
        raise ValueError("BACKEND_REDIS_URL is not set")
    place = read_url(settings.url)
    if isinstance(place, Sentinels):
        return _named_by(place, settings)
    if isinstance(place, Cluster):
        return _cluster_of(place, settings)
    return Redis.from_url(place.url, **_options(settings))


def is_cluster(client: Redis) -> bool:
    """Whether `client` is that of a Cluster."""
    from ._redis_cluster import LateCluster

    return isinstance(client, LateCluster)


def close_idle(client: Redis) -> None:
    """Close those of its connections that nobody uses just now; of a Cluster all. The next command makes new ones.

    Left to the garbage collector a socket may be found before the connection that would close it.
    """
    if is_cluster(client):
        client.close()
        return
    pool: Any = client.connection_pool
    pool.disconnect(inuse_connections=False)
    for sentinel in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
        sentinel.connection_pool.disconnect(inuse_connections=False)


def check_redis(client: Redis) -> None:
    """A health check: Redis answers a PING."""
    client.ping()


def _named_by(place: Sentinels, settings: RedisSettings) -> Redis:
    from redis.sentinel import Sentinel

    sentinel = Sentinel(
        place.nodes,
        sentinel_kwargs={**_options(settings), **place.own_options},
        **{**_options(settings), **place.options},
    )  # type: ignore[no-untyped-call]
    return cast("Redis", sentinel.master_for(place.service))  # type: ignore[no-untyped-call]


def _cluster_of(place: Cluster, settings: RedisSettings) -> Redis:
    from ._redis_cluster import LateCluster

    return cast("Redis", LateCluster(place.nodes, {**_options(settings), **place.options}))


def _options(settings: RedisSettings) -> dict[str, Any]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_connect_timeout": settings.connect_timeout_seconds,
        "socket_timeout": settings.timeout_seconds,
        "max_connections": settings.max_connections,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
