"""The database: what code inside a transaction of somebody else's may ask for."""

from .transaction import after_commit, joined_session

__all__ = ["after_commit", "joined_session"]
