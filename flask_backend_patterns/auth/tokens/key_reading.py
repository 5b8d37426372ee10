"""Reads keys from the configuration: secrets, and PEM as text; never a path, never an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .algorithms import ALGORITHMS, ASYMMETRIC, SECRET_BYTES
from .keys import NOT_CONFIGURED, KeyMaterial, SigningKey, VerifyingKey
from .pem import load_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import AuthSettings

MAX_ID_LENGTH = 128
_MEMBERS = frozenset({"algorithm", "secret", "private_key", "public_key"})
_ADVICE = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One key: `private` is None when it can only verify."""

    id: str | None
    algorithm: str
    public: Any
    private: Any

    def signing(self) -> SigningKey | None:
        if self.private is None:
            return None
        return SigningKey(id=self.id, algorithm=self.algorithm, key=self.private)

    def verifying(self) -> VerifyingKey:
        return VerifyingKey(id=self.id, algorithm=self.algorithm, key=self.public)


def read_material(
    config: Mapping[str, Any], settings: AuthSettings, problems: list[str], *, is_lenient: bool
) -> KeyMaterial:
    """All keys; a sentence without any secret is appended to `problems` for each fault."""
    named = _read_named(settings.keys, problems, is_lenient=is_lenient)
    allowed = _decode_algorithms(config, problems)
    if allowed is not None:
        named = [key for key in named if _is_allowed(key, allowed, settings.signing_key, problems)]
    absence, single = _read_single(config, named, problems, is_lenient=is_lenient)
    if single is None and not named:
        return KeyMaterial(absence=absence)
    keys = named if single is None else [*named, single]
    return KeyMaterial(
        signing=_choose_signing(named, single, settings.signing_key, problems),
        verifying={key.id: key.verifying() for key in keys},
        accepts_any_id=not named and single is not None and single.private is None,
    )


def _read_named(entries: Any, problems: list[str], *, is_lenient: bool) -> list[_Read]:
    if entries is None:
        return []
    if not isinstance(entries, Mapping):
        problems.append(
            "BACKEND_AUTH_KEYS is not a mapping; expected {id: {algorithm, secret | private_key | ...}}."
        )
        return []
    found = []
    for key_id, entry in entries.items():
        if not isinstance(key_id, str) or not key_id.isprintable() or not 0 < len(key_id) <= MAX_ID_LENGTH:
            problems.append(
                f"BACKEND_AUTH_KEYS: an id is not text of 1 to {MAX_ID_LENGTH} printable characters."
            )
            continue
        complain = partial(_complain, problems, f"BACKEND_AUTH_KEYS[{key_id!r}]")
        key = _read_entry(key_id, entry, complain, is_lenient=is_lenient)
        if key is not None:
            found.append(key)
    return found


def _complain(problems: list[str], place: str, sentence: str) -> None:
    problems.append(f"{place} {sentence}")


def _read_entry(
    key_id: str, entry: Any, complain: Callable[[str], None], *, is_lenient: bool
) -> _Read | None:
    fault = _fault_of(entry)
    if fault is not None:
        complain(fault)
        return None
    algorithm = entry["algorithm"]
    if algorithm in SECRET_BYTES:
        return _read_secret(key_id, algorithm, entry["secret"], complain, is_lenient=is_lenient)
    texts = (entry.get("private_key"), entry.get("public_key"))
    return _read_pair(key_id, algorithm, texts, complain, is_lenient=is_lenient)


def _fault_of(entry: Any) -> str | None:
    if not isinstance(entry, Mapping):
        return "is not a mapping; expected {algorithm, secret | private_key | public_key}."
    if not _MEMBERS.issuperset(entry):
        return f"has members that mean nothing; expected {', '.join(sorted(_MEMBERS))}."
    algorithm = entry.get("algorithm")
    if algorithm not in ALGORITHMS:
        return f"has no `algorithm` that signs; expected one of {', '.join(ALGORITHMS)}."
    if algorithm in SECRET_BYTES and set(entry) != {"algorithm", "secret"}:
        return f"is for {algorithm}; it needs just `algorithm` and `secret`."
    if algorithm in ASYMMETRIC and "secret" in entry:
        return f"is for {algorithm}; it needs `private_key` or `public_key`, and no `secret`."
    return None


def _read_secret(
    key_id: str | None, algorithm: str, secret: Any, complain: Callable[[str], None], *, is_lenient: bool
) -> _Read | None:
    if isinstance(secret, str):
        secret = secret.encode("utf-8", "surrogatepass")
    if not isinstance(secret, bytes) or not secret:
        complain(f"has no secret; expected text, {_ADVICE}.")
        return None
    if b"-----BEGIN" in secret:
        complain(f"has a PEM for a secret; {algorithm} needs a secret that nobody else knows, {_ADVICE}.")
        return None
    if len(secret) < SECRET_BYTES[algorithm] and not is_lenient:
        complain(
            f"has a secret of {len(secret)} bytes; {algorithm} needs at least {SECRET_BYTES[algorithm]}, {_ADVICE}."
        )
        return None
    return _Read(id=key_id, algorithm=algorithm, public=secret, private=secret)


def _read_pair(
    key_id: str | None,
    algorithm: str,
    texts: tuple[Any, Any],
    complain: Callable[[str], None],
    *,
    is_lenient: bool,
) -> _Read | None:
    try:
        public, private = load_pair(algorithm, *texts, is_lenient=is_lenient)
    except ValueError as error:
        complain(str(error))
        return None
    return _Read(id=key_id, algorithm=algorithm, public=public, private=private)


def _read_single(
    config: Mapping[str, Any], named: list[_Read], problems: list[str], *, is_lenient: bool
) -> tuple[str, _Read | None]:
    """The key without an id, and else why there is none. A fault in `SECRET_KEY` alone counts once tokens are used."""
    algorithm = config.get("JWT_ALGORITHM") or "HS256"
    if algorithm in ASYMMETRIC:
        texts = (config.get("JWT_PRIVATE_KEY") or None, config.get("JWT_PUBLIC_KEY") or None)
        if texts == (None, None):
            return (
                f"Tokens need a key: JWT_ALGORITHM is {algorithm}; set JWT_PRIVATE_KEY or JWT_PUBLIC_KEY.",
                None,
            )
        complain = partial(_complain, problems, "JWT_PRIVATE_KEY or JWT_PUBLIC_KEY")
        return NOT_CONFIGURED, _read_pair(None, algorithm, texts, complain, is_lenient=is_lenient)
    if algorithm not in SECRET_BYTES:
        problems.append(f"JWT_ALGORITHM is none that signs; expected one of {', '.join(ALGORITHMS)}.")
        return NOT_CONFIGURED, None
    if config.get("JWT_SECRET_KEY"):
        complain = partial(_complain, problems, "JWT_SECRET_KEY")
        secret = config["JWT_SECRET_KEY"]
        return NOT_CONFIGURED, _read_secret(None, algorithm, secret, complain, is_lenient=is_lenient)
    if named or not config.get("SECRET_KEY"):
        return NOT_CONFIGURED, None
    later: list[str] = []
    complain = partial(_complain, later, "SECRET_KEY")
    key = _read_secret(None, algorithm, config["SECRET_KEY"], complain, is_lenient=is_lenient)
    return " ".join(["Tokens need a key.", *later, "Or set JWT_SECRET_KEY."]), key


def _decode_algorithms(config: Mapping[str, Any], problems: list[str]) -> frozenset[str] | None:
    listed = config.get("JWT_DECODE_ALGORITHMS")
    if not listed:
        return None
    names = [listed] if isinstance(listed, str) else list(listed)
    if not all(name in ALGORITHMS for name in names):
        problems.append(f"JWT_DECODE_ALGORITHMS lists something else than {', '.join(ALGORITHMS)}.")
    return frozenset(map(str, names))


def _is_allowed(key: _Read, allowed: frozenset[str], signing_id: str | None, problems: list[str]) -> bool:
    if key.algorithm in allowed:
        return True
    if key.id == signing_id:
        problems.append(
            f"BACKEND_AUTH_SIGNING_KEY is {signing_id!r}, whose {key.algorithm} is not among JWT_DECODE_ALGORITHMS."
        )
    return False


def _choose_signing(
    named: list[_Read], single: _Read | None, wanted: str | None, problems: list[str]
) -> SigningKey | None:
    able = [key for key in named if key.private is not None]
    if wanted is None and single is not None and single.private is not None:
        # Instances that know no other key yet must be able to verify what is signed: naming the key is the next step.
        return single.signing()
    if wanted is not None:
        chosen = next((key for key in able if key.id == wanted), None)
        if chosen is None and not problems:
            problems.append(
                f"BACKEND_AUTH_SIGNING_KEY is {wanted!r}; no key in BACKEND_AUTH_KEYS with that id can sign."
            )
        return chosen.signing() if chosen else None
    if len(able) > 1:
        ids = ", ".join(repr(key.id) for key in able)
        problems.append(
            f"BACKEND_AUTH_KEYS has several keys that can sign ({ids}); say which: BACKEND_AUTH_SIGNING_KEY."
        )
    return able[0].signing() if able else None
