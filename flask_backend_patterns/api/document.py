"""The OpenAPI document of an app, as text: the same bytes for the same app, whatever its JSON provider is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask.json.provider import DefaultJSONProvider

from .._config import SetupError

if TYPE_CHECKING:
    from flask import Flask

JSON, YAML = FORMATS = ("json", "yaml")


def export_document(app: Flask, *, document_format: str = JSON, api_prefix: str | None = None) -> bytes:
    """The OpenAPI document of one `flask_smorest.Api` of `app`, in UTF-8, ending in a newline.

    `document_format` is `json` or `yaml` (needs PyYAML). `api_prefix` is the `config_prefix` of the Api, which only apps with several have
    to say. Raises `SetupError` when there is no such Api, when the app has several and none was chosen, and when PyYAML is missing.
    """
    return as_bytes(as_text(read_document(app, choose_api(app, api_prefix)), document_format))


def choose_api(app: Flask, api_prefix: str | None) -> Any:
    """The Api with this `config_prefix`, or the app's only one for None; raises `SetupError`."""
    apis = {
        prefix.removesuffix("_"): entry["ext_obj"]
        for prefix, entry in (app.extensions.get("flask-smorest") or {"apis": {}})["apis"].items()
    }
    if not apis:
        raise SetupError(
            "This app has no flask_smorest.Api; make one with Api(app) and register blueprints on it."
        )
    names = ", ".join(repr(prefix) for prefix in sorted(apis))
    if api_prefix is None:
        if len(apis) > 1:
            raise SetupError(f"This app has {len(apis)} APIs; choose one by its config prefix: {names}.")
        return next(iter(apis.values()))
    chosen = apis.get(api_prefix.upper().removesuffix("_"))
    if chosen is None:
        raise SetupError(f"This app has no API with the config prefix {api_prefix!r}; it has: {names}.")
    return chosen


def read_document(app: Flask, api: Any) -> dict[str, Any]:
    """The document of `api` in plain dicts, lists, strings and numbers, in the order it was written in.

    Numbers that JSON has no word for (the bounds of `Range(max=float("inf"))`) are left out: they say nothing.
    """
    with app.app_context():  # texts that are translated late ask for it
        plain: dict[str, Any] = _plain(api.spec.to_dict(), app)
    first = [key for key in ("openapi", "swagger", "info") if key in plain]
    return {key: plain[key] for key in dict.fromkeys([*first, *plain])}


def as_text(document: Mapping[str, Any], document_format: str) -> str:
    """`document` as JSON or YAML, indented, in its own order, ending in a newline; `SetupError` without PyYAML."""
    if document_format == JSON:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own
    except ImportError:
        raise SetupError("YAML needs PyYAML; install it with: pip install pyyaml") from None
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text


def as_bytes(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which UTF-8 cannot say, is written as the escape both formats read."""
    return text.encode("utf-8", "backslashreplace")


def _plain(value: Any, app: Flask) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, app) for key, item in value.items() if not _is_unspeakable(item)}
    if isinstance(value, (list, tuple)):
        return [_plain(item, app) for item in value if not _is_unspeakable(item)]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, app) for item in value), key=str)  # its own order changes from run to run
    if value is None or isinstance(value, (bool, int, float, str)):
        return _bare(value)
    default = getattr(app.json, "default", DefaultJSONProvider.default)
    try:
        return _plain(default(value), app)
    except TypeError:
        return str(value)


def _bare(value: Any) -> Any:
    """The value itself of an Enum of strings or numbers, and the text of a marked-up string: YAML knows no subclasses."""
    if isinstance(value, str):
        return str.__str__(value)
    kind = next((kind for kind in (bool, int, float) if isinstance(value, kind)), None)
    return kind(value) if kind else None


def _is_unspeakable(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
