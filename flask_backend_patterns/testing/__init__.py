"""For tests: real servers as pytest fixtures (a plugin, loaded by itself once the package is installed), and assertions.

See `plugin` for the fixtures, `redis_server` and `postgres_server` for the objects they give, `route_snapshot` for the
routes of an app as a file, `scope_comparison` for lists that agree with single decisions, `limit_reset` and
`cache_reset` for limits and a cache that begin anew. Importing this package imports none of the drivers and starts nothing.
"""

from .cache_reset import clear_cache
from .limit_reset import reset_limits
from .route_snapshot import assert_routes_match, routes_snapshot
from .scope_comparison import assert_scope_matches

__all__ = ["assert_routes_match", "assert_scope_matches", "clear_cache", "reset_limits", "routes_snapshot"]
