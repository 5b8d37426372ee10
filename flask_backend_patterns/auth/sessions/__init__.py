"""Logins that can be listed, refreshed and ended: families of refresh tokens, and sessions in cookies."""

from .authenticator import SessionAuthenticator, csrf_cookie_name
from .cookie_value import CookieValue
from .cookies import SessionCookies, end_session, start_session
from .device import device_of_request
from .keys import SessionKeys
from .missing_store import MissingSessionStore
from .protocols import SessionStore
from .revocations import Revocations
from .session import CookieSession, Device, Grant, Lifetimes, Session

__all__ = [
    "CookieSession",
    "CookieValue",
    "Device",
    "Grant",
    "Lifetimes",
    "MissingSessionStore",
    "Revocations",
    "Session",
    "SessionAuthenticator",
    "SessionCookies",
    "SessionKeys",
    "SessionStore",
    "csrf_cookie_name",
    "device_of_request",
    "end_session",
    "start_session",
]
