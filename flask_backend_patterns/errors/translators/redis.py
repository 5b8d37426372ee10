"""Translates redis-py's exceptions."""

from __future__ import annotations

from ..tree import CacheError


def translate(_error: Exception) -> CacheError:
    """A route that cannot do without Redis is away while Redis is."""
    return CacheError()
