"""What a team writes routes with."""

from .blueprint import Blueprint
from .conditional import conditional, matched_version
from .deprecation import deprecated
from .filtering import Filter, FilterSet
from .format import Format
from .idempotency import idempotency_table, idempotent
from .paging import CursorPage, CursorRequest, Page, PageRequest, Parameters

__all__ = [
    "Blueprint",
    "CursorPage",
    "CursorRequest",
    "Filter",
    "FilterSet",
    "Format",
    "Page",
    "PageRequest",
    "Parameters",
    "conditional",
    "deprecated",
    "idempotency_table",
    "idempotent",
    "matched_version",
]
