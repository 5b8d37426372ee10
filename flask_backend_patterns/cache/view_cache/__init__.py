"""Caching of views' responses, here and by HTTP."""

from .declaration import CacheControl, CachedView
from .decorators import cache_control, cached_view

__all__ = ["CacheControl", "CachedView", "cache_control", "cached_view"]
