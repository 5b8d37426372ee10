"""Limits on failed logins: of the kit's own routes, and of an app's (`@login_limit`)."""

from .counting import Attempt, Failures
from .waits import Waits

__all__ = ["Attempt", "Failures", "Waits"]
