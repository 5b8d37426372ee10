"""All settings: one field per feature."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ._config import ConfigError, SettingsGroup, unknown_keys
from ._redis import RedisSettings
from .api.idempotency.settings import IdempotencySettings
from .api.settings import ApiSettings
from .auth.settings import AuthSettings
from .cache.settings import CacheSettings
from .errors.settings import ErrorsSettings
from .health.settings import HealthSettings
from .jobs.settings import JobsSettings
from .limits.settings import LimitsSettings
from .observability.settings import ObservabilitySettings
from .security.settings import SecuritySettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that `BACKEND_` keys of `app.config` say."""

    redis: RedisSettings
    api: ApiSettings
    idempotency: IdempotencySettings
    auth: AuthSettings
    limits: LimitsSettings
    cache: CacheSettings
    errors: ErrorsSettings
    observability: ObservabilitySettings
    security: SecuritySettings
    health: HealthSettings
    jobs: JobsSettings

    @classmethod
    def groups(cls) -> dict[str, type[SettingsGroup]]:
        """The settings class of every field."""
        hints = typing.get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read and check everything; raises one `ConfigError` that lists all that is wrong."""
        groups = cls.groups()
        known = [key for group in groups.values() for key in group.config_keys()]
        problems = unknown_keys(config, known)
        read: dict[str, Any] = {name: group.from_config(config, problems) for name, group in groups.items()}
        settings = cls(**read)
        problems += settings.contradictions()
        if problems:
            raise ConfigError(problems)
        return settings

    def contradictions(self) -> list[str]:
        """What is wrong with the settings of several features taken together."""
        problems = []
        if self.jobs.queues and self.redis.url is None:
            problems.append(
                "BACKEND_JOBS_QUEUES is set, but BACKEND_REDIS_URL is not; expected the Redis of the queues"
            )
        if self.idempotency.enabled and self.idempotency.store == "redis" and self.redis.url is None:
            problems.append("BACKEND_IDEMPOTENCY_STORE is 'redis', but BACKEND_REDIS_URL is not set")
        if self.cache.enabled and self.cache.store == "redis" and self.redis.url is None:
            problems.append("BACKEND_CACHE_STORE is 'redis', but BACKEND_REDIS_URL is not set")
        return problems
