"""Lists, a page at a time: by number or offset (`Page`), or by a signed cursor (`CursorPage`)."""

from .cursor_page import CursorPage
from .page import Page
from .parameters import Parameters
from .query_fields import SortKey, WholeNumber
from .requests import CursorRequest, Paged, PageRequest

__all__ = [
    "CursorPage",
    "CursorRequest",
    "Page",
    "PageRequest",
    "Paged",
    "Parameters",
    "SortKey",
    "WholeNumber",
]
