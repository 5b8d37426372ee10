"""Settings of the transport: headers, CORS, compression, trusted hosts and proxies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .._config import FeatureSettings, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 6454: scheme, host, port where it is not the scheme's own; no path, no trailing slash, no pattern
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SecuritySettings(FeatureSettings):
    """What browsers and proxies are told, and whom they are believed."""

    PREFIX: ClassVar[str] = "BACKEND_SECURITY_"

    referrer_policy: str | None = setting(
        "strict-origin-when-cross-origin", doc="`Referrer-Policy` of every response; None sends none."
    )
    frame_options: str | None = setting(
        None, doc="`X-Frame-Options` of pages (`DENY`, `SAMEORIGIN`); JSON of API routes always gets `DENY`."
    )
    hsts_seconds: int = setting(
        0,
        minimum=0,
        doc="`Strict-Transport-Security` max-age on secure requests; 0 sends none, since browsers hold on to it.",
    )
    hsts_subdomains: bool = setting(default=False, doc="Include subdomains in `Strict-Transport-Security`.")
    cors_origins: tuple[str, ...] = setting(
        (),
        doc="Origins (`https://shop.example`) that may call the API from a browser; `*` is any, without credentials.",
    )
    cors_credentials: bool = setting(
        default=False, doc="Let those origins send cookies; refused together with `*`."
    )
    cors_headers: tuple[str, ...] = setting(
        ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"),
        doc="Request headers those origins may send.",
    )
    cors_expose: tuple[str, ...] = setting(
        (
            *(
                "Deprecation",
                "ETag",
                "Idempotency-Replayed",
                "Link",
                "Location",
                "RateLimit",
                "RateLimit-Policy",
            ),
            *("Retry-After", "Sunset", "X-Request-ID", "X-Total-Count"),
        ),
        doc="Response headers their scripts may read.",
    )
    cors_max_age_seconds: int = setting(
        600, minimum=0, maximum=86400, doc="How long a browser may keep a preflight."
    )
    compression: bool = setting(
        default=False, doc="Compress responses by Flask-Compress (`COMPRESS_*` keys apply)."
    )
    trusted_hosts: tuple[str, ...] = setting(
        (),
        doc="Host names this app answers to, others get a 400; a leading dot includes subdomains. Empty: any. "
        "Health probes are answered whatever their `Host`.",
    )
    trusted_proxies: int = setting(
        0,
        minimum=0,
        maximum=10,
        doc="How many proxies in front of the app set `X-Forwarded-For` and `-Proto`; 0 believes none.",
    )
    trusted_forwarded_host: bool = setting(
        default=False,
        doc="Believe `X-Forwarded-Host` of those proxies too. Many (AWS ALB, nginx as it comes) hand on what the client "
        "sent: turn it on only where each of them sets the header itself.",
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], problems: list[str]) -> Self:
        """Read the group; origins and hosts that would never match, or match more than they say, are problems."""
        group = super().from_config(config, problems)
        problems += [
            f"BACKEND_SECURITY_CORS_ORIGINS has {origin!r}; expected 'https://host', with ':port' where it is not the "
            "default one, without path, slash at the end or pattern, or '*' alone"
            for origin in group.cors_origins
            if origin != "*" and not ORIGIN.fullmatch(origin)
        ]
        if group.cors_credentials and "*" in group.cors_origins:
            problems.append(
                "BACKEND_SECURITY_CORS_CREDENTIALS is True and BACKEND_SECURITY_CORS_ORIGINS has '*'; "
                "expected the origins by name, or any site could act for a logged-in user"
            )
        problems += [
            f"BACKEND_SECURITY_TRUSTED_HOSTS has {host!r}; expected host names such as 'shop.example', without a scheme"
            for host in group.trusted_hosts
            if "/" in host
        ]
        return group
