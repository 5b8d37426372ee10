"""Request ids, structured logs, timings."""

from .logs import add_request_context

__all__ = ["add_request_context"]
