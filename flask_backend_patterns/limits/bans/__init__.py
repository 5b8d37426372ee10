"""Bans of addresses that will not stop: kept by all processes together, refused in front of the app."""

from .ban import Ban
from .bans import Bans

__all__ = ["Ban", "Bans"]
