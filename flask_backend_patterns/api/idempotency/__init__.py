"""Idempotency keys: a request that is sent again is not done again."""

from .declaration import Idempotent, idempotent
from .purging import purge_expired
from .table import idempotency_table

__all__ = ["Idempotent", "idempotency_table", "idempotent", "purge_expired"]
