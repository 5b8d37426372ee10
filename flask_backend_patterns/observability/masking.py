"""Keeps secrets out of logs: values are masked by their key, at every depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from werkzeug.datastructures import Headers

MASK = "***"
SECRET_WORDS = (
    "password",
    "passwd",
    "token",
    "authorization",
    "secret",
    "cookie",
    "api_key",
    "apikey",
    "credential",
    "passphrase",
    "private_key",
    "session_id",
)
# Too short to be looked for inside other words.
SECRET_KEYS = frozenset({"pwd", "pass", "otp", "pin", "auth", "sid"})
PAIR = 2
MAX_DEPTH = 8


class Masker:
    """Masks the values of keys that contain a secret word, whatever their case (`X-Auth-Token`, `client_secret`)."""

    def __init__(self, more_words: tuple[str, ...] = ()) -> None:
        self._words = SECRET_WORDS + tuple(_plain(word) for word in more_words)
        self._known: dict[str, bool] = {}

    def is_secret(self, key: str) -> bool:
        """Whether the value of `key` is masked."""
        known = self._known.get(key)
        if known is None:
            plain = _plain(key)
            known = plain in SECRET_KEYS or any(word in plain for word in self._words)
            if len(self._known) < 1024:  # noqa: PLR2004 - keys come from code; a bound against those that do not
                self._known[key] = known
        return known

    def mask(self, value: Any, depth: int = MAX_DEPTH) -> Any:
        """`value` with secrets replaced; unchanged objects are returned as they are, nothing is modified."""
        if type(value) is not dict:  # what every event is
            value = _opened(value)
        if isinstance(value, Mapping):
            if not depth:
                return MASK
            return {key: self._mask_item(key, item, depth) for key, item in value.items()}
        if isinstance(value, tuple) and len(value) == PAIR and isinstance(value[0], str):
            return [value[0], self._mask_item(value[0], value[1], depth)] if depth else MASK
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.mask(item, depth - 1) for item in value] if depth else MASK
        return value

    def _mask_item(self, key: Any, item: Any, depth: int) -> Any:
        if isinstance(key, str) and self.is_secret(key):
            return MASK
        if isinstance(item, (str, int, float, type(None))):
            return item
        return self.mask(item, depth - 1)


def _opened(value: Any) -> Any:
    """Headers and dataclasses as the dicts that they stand for."""
    if isinstance(value, Headers):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return value


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")


def hide_sql_parameters(error: BaseException | None) -> None:
    """Keep the values of a failed SQL statement out of the log: SQLAlchemy prints them into the exception's text."""
    seen: set[int] = set()
    left = [error]
    while left:
        current = left.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if hasattr(current, "hide_parameters"):
            current.hide_parameters = True
        left += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            left += current.exceptions
