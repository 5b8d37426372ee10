"""One way to reach Redis: short timeouts, no hidden retries (redis-py's ten cost seconds a request, PITFALLS R1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ._config import SettingsGroup, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis


@dataclass(frozen=True, kw_only=True)
class RedisSettings(SettingsGroup):
    """Where Redis is, and how long it may take."""

    PREFIX: ClassVar[str] = "BACKEND_REDIS_"

    url: str | None = setting(
        None, secret=True, doc="`redis://`, `rediss://` or `unix://`; feeds all that need Redis."
    )
    namespace: str | None = setting(
        None,
        doc="Keeps apps apart that share a Redis: part of every key. Default: the name of the app (`app.name`).",
    )
    connect_timeout_seconds: float = setting(0.1, minimum=0.01, maximum=30, doc="For a new connection.")
    timeout_seconds: float = setting(0.1, minimum=0.01, maximum=30, doc="For one command.")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; a URL that redis-py would refuse at the first command is a problem now."""
        group = super().from_config(config, problems)
        if group.url is not None and not _is_valid(group.url):
            problems.append(
                "BACKEND_REDIS_URL is wrong (not shown here); expected redis://, rediss:// or unix://"
            )
        return group


def _is_valid(url: str) -> bool:
    from redis.connection import parse_url

    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        return False
    return True


def connect(settings: RedisSettings) -> Redis:
    """A client; connects at its first command. Thread-safe."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    if settings.url is None:
        raise ValueError("BACKEND_REDIS_URL is not set")
    return Redis.from_url(
        settings.url,
        socket_connect_timeout=settings.connect_timeout_seconds,
        socket_timeout=settings.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


def check_redis(client: Redis) -> None:
    """A health check: Redis answers a PING."""
    client.ping()
