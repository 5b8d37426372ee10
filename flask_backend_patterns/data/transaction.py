"""What code inside an open transaction may ask for: a session on it, and to be called after its commit."""

from .._transaction import after_commit, joined_session

__all__ = ["after_commit", "joined_session"]
