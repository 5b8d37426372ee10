"""Rate limits, limits on failed logins, and bans."""

from .decorators import rate_limit
from .login_limit import login_limit

__all__ = ["login_limit", "rate_limit"]
