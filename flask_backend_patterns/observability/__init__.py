"""Request ids, structured logs, timings."""

from .events import add_request_context

__all__ = ["add_request_context"]
