"""What a team writes routes with."""

from .blueprint import Blueprint

__all__ = ["Blueprint"]
