"""An OpenID Connect provider as the settings describe it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from ..._config import ConfigError

KEY: Final = "BACKEND_AUTH_OAUTH_PROVIDERS"
BASIC, POST, NONE = "client_secret_basic", "client_secret_post", "none"
AUTHENTICATION_METHODS: Final = (BASIC, POST, NONE)
# Asymmetric ones only: with a client secret as the key anybody who knows it could sign (OpenID Connect Core, 10.1).
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
DEFAULT_SCOPES: Final = ("openid", "email", "profile")
# What we say ourselves in an authorization request.
RESERVED_PARAMETERS: Final = frozenset(
    {
        *("client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)
_WORD_LISTS: Final = ("scopes", "algorithms", "trusted_audiences")
MAX_ISSUER_CHARACTERS: Final = 255
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One entry of `BACKEND_AUTH_OAUTH_PROVIDERS`; `issuer` and `client_id` have to be there.

    Without `client_secret` it is a public client. `authentication` is how the client shows itself at the token endpoint
    (default: what the provider lists, `client_secret_basic` before `client_secret_post`). `redirect_uri` replaces the
    URL of our callback where the app cannot know it. `parameters` are added to the authorization request (`prompt`,
    `hd`). An ID token for further audiences is refused unless they are `trusted_audiences`.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    authentication: str | None = None
    redirect_uri: str | None = None
    algorithms: tuple[str, ...] = ALGORITHMS
    parameters: Mapping[str, str] = field(default_factory=dict)
    trusted_audiences: tuple[str, ...] = ()


def read_providers(configured: Any) -> dict[str, Provider]:
    """The providers by name; raises `ConfigError` with a sentence for each fault (secrets are not shown)."""
    problems = provider_problems(configured)
    if problems:
        raise ConfigError(problems)
    return {name: _made(name, entry) for name, entry in (configured or {}).items()}


def provider_problems(configured: Any) -> list[str]:
    """A sentence for each fault of the setting; nothing is fetched."""
    if configured is None:
        return []
    if not isinstance(configured, Mapping):
        return [f"{KEY} is wrong (not shown here); expected {{name: {{issuer, client_id, ...}}}}"]
    problems = []
    for name, entry in configured.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(f"{KEY} has the name {name!r}; expected up to 32 of a-z, 0-9, - and _")
        elif not isinstance(entry, Mapping):
            problems.append(f"{KEY}[{name!r}] is wrong (not shown here); expected {{issuer, client_id, ...}}")
        else:
            problems += [f"{KEY}[{name!r}]: {fault}" for fault in _faults(entry)]
    return problems


def is_trustworthy_url(url: object, *, allow_loopback: bool = True) -> bool:
    """Whether it is https, or http on this machine, with a host and without user name, fragment or white space."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and allow_loopback and _is_loopback(host))


def is_loopback_url(url: str) -> bool:
    """Whether its host is this machine."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _faults(entry: Mapping[Any, Any]) -> list[str]:
    known = {one.name for one in fields(Provider)} - {"name"}
    unknown = sorted(str(key) for key in entry if key not in known)
    faults = [f"{key} is not known; expected {', '.join(sorted(known))}" for key in unknown]
    faults += [f"{key} is missing" for key in ("issuer", "client_id") if not entry.get(key)]
    for key in ("client_id", "client_secret"):
        value = entry.get(key)
        if value is not None and not (isinstance(value, str) and value and value.isprintable()):
            faults.append(f"{key} is wrong (not shown here); expected text")
    for key in ("issuer", "redirect_uri"):
        if entry.get(key) and not is_trustworthy_url(entry[key]):
            faults.append(f"{key} is {entry[key]!r}; expected an https URL (http for this machine only)")
    issuer = str(entry.get("issuer") or "")
    if "?" in issuer or len(issuer) > MAX_ISSUER_CHARACTERS:
        faults.append(f"issuer is {issuer!r}; expected at most 255 characters and no query")
    return faults + _choice_faults(entry)


def _choice_faults(entry: Mapping[Any, Any]) -> list[str]:
    faults = [
        f"{key} is {entry[key]!r}; expected a list of words"
        for key in _WORD_LISTS
        if key in entry and not _words(entry[key])
    ]
    if "scopes" in entry and "openid" not in (_words(entry["scopes"]) or ("openid",)):
        faults.append("scopes lacks 'openid', without which there is no ID token")
    refused = set(_words(entry.get("algorithms", ())) or ()) - set(ALGORITHMS)
    if refused:
        faults.append(
            f"algorithms has {', '.join(sorted(refused))}; expected some of {', '.join(ALGORITHMS)}"
        )
    method = entry.get("authentication")
    if method is not None and method not in AUTHENTICATION_METHODS:
        faults.append(f"authentication is {method!r}; expected one of {', '.join(AUTHENTICATION_METHODS)}")
    elif method in (BASIC, POST) and not entry.get("client_secret"):
        faults.append(f"authentication is {method!r}, but there is no client_secret")
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, Mapping) or not all(
        isinstance(text, str) for text in (*parameters, *parameters.values())
    ):
        faults.append("parameters is wrong; expected {name: text}")
    elif taken := sorted(RESERVED_PARAMETERS & parameters.keys()):
        faults.append(f"parameters has {', '.join(taken)}, which cannot be replaced")
    return faults


def _words(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, (list, tuple, set, frozenset)):
        return None
    words = tuple(value)
    is_fit = all(isinstance(word, str) and word.isprintable() and " " not in word for word in words)
    return words if is_fit else None


def _made(name: str, entry: Mapping[str, Any]) -> Provider:
    values = {key: value for key, value in entry.items() if value is not None}
    for key in _WORD_LISTS:
        if key in values:
            values[key] = _words(values[key])
    return Provider(name=name, **{**values, "parameters": dict(values.get("parameters", {}))})
