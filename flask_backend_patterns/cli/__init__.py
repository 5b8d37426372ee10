"""`flask backend ...`: commands over what the other features do."""

from .wiring import COMMAND, backend_group, install

__all__ = ["COMMAND", "backend_group", "install"]
