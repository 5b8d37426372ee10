"""Parts of addresses."""

from __future__ import annotations

from werkzeug.routing import IntegerConverter


class AsciiIntegerConverter(IntegerConverter):
    """`<int:...>` of ASCII digits only; Werkzeug's own takes the digits of every script."""

    regex = "[0-9]+"

    @staticmethod
    def described(converter: IntegerConverter) -> dict[str, object]:
        """The part in the OpenAPI document."""
        limits = {"minimum": 0, "maximum": converter.max}
        return {"type": "integer"} | {name: limit for name, limit in limits.items() if limit is not None}
