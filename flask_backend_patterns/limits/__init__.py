"""Rate limits, limits on failed logins, and bans."""
