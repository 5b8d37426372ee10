"""Settings of the shop, read from the environment once, in `create_app`."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from example_app import limits
from example_app.access import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEBIBYTE = 1024 * 1024
_DEFAULT_INSTANCE = Path(__file__).parent.parent / "instance"
_POSTGRES_SCHEMES = ("postgres://", "postgresql://")


def instance_folder(overrides: Mapping[str, object], environ: Mapping[str, str]) -> Path:
    """The folder for everything the shop writes: database, uploads, mails, Redis' data."""
    chosen = overrides.get("SHOP_INSTANCE") or environ.get("SHOP_INSTANCE") or _DEFAULT_INSTANCE
    return Path(str(chosen)).resolve()


def database_url(instance: Path, environ: Mapping[str, str]) -> str:
    """`SHOP_DATABASE_URL` with psycopg 3 as PostgreSQL's driver, or a SQLite file in the instance folder."""
    url = environ.get("SHOP_DATABASE_URL", "")
    for scheme in _POSTGRES_SCHEMES:
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url or f"sqlite:///{instance / 'shop.sqlite3'}"


def _own_secret(instance: Path, name: str) -> str:
    """A secret made up once; whichever process comes first writes it."""
    file = instance / name
    instance.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f"{name}.{os.getpid()}")
    if not file.exists():
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(made, file)  # whole or not at all, and never over another one
        made.unlink()
    return file.read_text()


def settings_from_environ(instance: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """Everything `app.config` needs.

    Of the environment: `SHOP_SECRET_KEY` and `SHOP_JWT_SECRET_KEY` (without them they are made up and kept in the
    instance folder), `SHOP_DATABASE_URL`, `BACKEND_REDIS_URL`, `BACKEND_REDIS_TIMEOUT_SECONDS`, `SHOP_DRAIN_FILE`, `SHOP_LOG_FORMAT`, `SHOP_TRUSTED_PROXIES`, `SHOP_DEFAULT_RATE`; the sizes of the
    seed `SHOP_SEED_USERS`, `SHOP_SEED_PRODUCTS`, `SHOP_SEED_ORDERS`; `SHOP_IMPORT_BATCH_ROWS`, how many rows of an
    import share a transaction; and `SHOP_SWEEP_SECONDS`, how often the worker looks for work left undone.
    """
    return {
        "SQLALCHEMY_DATABASE_URI": database_url(instance, environ),
        "MAX_CONTENT_LENGTH": 16 * _MEBIBYTE,
        "SECRET_KEY": environ.get("SHOP_SECRET_KEY") or _own_secret(instance, "secret_key"),
        "JWT_SECRET_KEY": environ.get("SHOP_JWT_SECRET_KEY") or _own_secret(instance, "jwt_secret_key"),
        "API_TITLE": "Shop",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "OPENAPI_JSON_PATH": "openapi.json",
        "BACKEND_REDIS_URL": environ.get("BACKEND_REDIS_URL", "redis://127.0.0.1:6379/0"),
        "BACKEND_REDIS_TIMEOUT_SECONDS": float(environ.get("BACKEND_REDIS_TIMEOUT_SECONDS", "0.09")),
        "BACKEND_API_PREFIXES": ["/api", "/auth"],
        "BACKEND_API_DOCS_PATH": "/docs",
        "BACKEND_AUTH_DEFAULT": "deny",
        "BACKEND_AUTH_ROLES": ROLES,
        "BACKEND_AUTH_AUTHENTICATORS": ["jwt", "api_key", "session"],
        "BACKEND_AUTH_PUBLIC_ENDPOINTS": ["static", "api-docs.*"],
        "BACKEND_JOBS_QUEUES": ["default"],
        "BACKEND_LIMITS_DEFAULT": environ.get("SHOP_DEFAULT_RATE", limits.DEFAULT),
        "BACKEND_LIMITS_DEFAULT_TIERS": limits.DEFAULT_TIERS,
        "BACKEND_LIMITS_BAN_PATHS": limits.SCANNER_PATHS,
        "BACKEND_SECURITY_COMPRESSION": True,
        # 0 unless told: otherwise whoever sends `X-Forwarded-For` would be no address, which nothing limits or bans.
        "BACKEND_SECURITY_TRUSTED_PROXIES": int(environ.get("SHOP_TRUSTED_PROXIES", "0")),
        "BACKEND_SECURITY_CORS_ORIGINS": ["http://localhost:3000"],
        "BACKEND_OBSERVABILITY_LOG_LOGGERS": ["flask_backend_patterns", "example_app", "rq.worker"],
        "BACKEND_OBSERVABILITY_LOG_FORMAT": environ.get("SHOP_LOG_FORMAT", "auto"),
        "BACKEND_OBSERVABILITY_METRICS_PATH": "/metrics",
        "BACKEND_HEALTH_DRAIN_FILE": environ.get("SHOP_DRAIN_FILE", str(instance / "drain")),
        "BACKEND_HEALTH_DETAILS": "always",
        "SHOP_IMPORT_BATCH_ROWS": int(environ.get("SHOP_IMPORT_BATCH_ROWS", "250")),
        "SHOP_SWEEP_SECONDS": float(environ.get("SHOP_SWEEP_SECONDS", "60")),
        "SHOP_SEED_USERS": int(environ.get("SHOP_SEED_USERS", "1000")),
        "SHOP_SEED_PRODUCTS": int(environ.get("SHOP_SEED_PRODUCTS", "10000")),
        "SHOP_SEED_ORDERS": int(environ.get("SHOP_SEED_ORDERS", "20000")),
    }
