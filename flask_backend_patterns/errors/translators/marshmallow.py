"""Translates marshmallow's validation errors, raised by a schema that the app loads itself."""

from __future__ import annotations

from marshmallow import ValidationError as SchemaError

from ..details import flatten
from ..tree import ValidationError


def translate(error: Exception) -> ValidationError | None:
    """Other exceptions of marshmallow are faults of the program."""
    if not isinstance(error, SchemaError):
        return None
    return ValidationError(details=flatten(error.messages))
