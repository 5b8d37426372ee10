"""Dumps objects by marshmallow schemas several times as fast as `schema.dump`, with the same result."""

from .plan import DumpPlan, compiled_dump

__all__ = ["DumpPlan", "compiled_dump"]
