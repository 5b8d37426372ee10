"""Which operations are in the OpenAPI document of an app."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.routing import Rule


class DocumentedOperations:
    """The operations of every `flask_smorest.Api` of one app."""

    def __init__(self, app: Flask) -> None:
        apis = (app.extensions.get("flask-smorest") or {"apis": {}})["apis"].values()
        self._documents = [
            (
                entry["ext_obj"].flask_plugin.flaskpath2openapi,
                entry["ext_obj"].spec.to_dict().get("paths", {}),
            )
            for entry in apis
        ]

    def has(self, rule: Rule, method: str) -> bool | None:
        """Whether `method` (in capitals) of `rule` is in a document; None when the app has no Api."""
        if not self._documents:
            return None
        return any(method.lower() in paths.get(path_of(rule.rule), {}) for path_of, paths in self._documents)
