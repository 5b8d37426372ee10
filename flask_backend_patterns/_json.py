"""JSON that never fails: what orjson refuses (lone surrogates, huge integers, odd keys) is written all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def dump(value: Any) -> bytes:
    """`value` as JSON, unknown objects as their text; a client can send what makes orjson refuse an answer."""
    try:
        return orjson.dumps(value, default=str, option=OPTIONS)
    except TypeError:  # orjson.JSONEncodeError is one
        return json.dumps(_with_text_keys(value), default=str).encode()


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_text_keys(item) for item in value]
    return value
