"""Filters of lists by an allow-list of columns and operators."""

from .filter_set import Filter, FilterSet
from .filter_values import FilterValues

__all__ = ["Filter", "FilterSet", "FilterValues"]
