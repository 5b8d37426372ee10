"""What can be read off an app: its routes with all that is declared on them."""

from .findings import CONDITIONS, Finding, find_faults
from .route_audit import RouteAudit
from .route_entry import RouteEntry, Source
from .route_table import route_table

__all__ = ["CONDITIONS", "Finding", "RouteAudit", "RouteEntry", "Source", "find_faults", "route_table"]
