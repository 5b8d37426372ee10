"""Numbers in JSON bodies."""

from __future__ import annotations

from typing import Any

from marshmallow import fields


class Whole(fields.Integer):
    """A whole number and nothing that could be read as one: neither `"3"` nor `true`; `3.0` is 3, as in JSON Schema."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)
