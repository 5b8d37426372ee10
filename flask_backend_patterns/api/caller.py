"""Who is calling, where no authentication says: for keys that belong to one caller."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flask import current_app, request
from flask.sessions import SecureCookieSessionInterface, session_json_serializer

if TYPE_CHECKING:
    from collections.abc import Callable

CREDENTIAL_HEADERS = ("Authorization", "X-API-Key")


def caller_named(identify: Callable[[], str | None]) -> str:
    """The authenticated caller as `actor:<id>`, else `default_caller`."""
    known = identify()
    return default_caller() if known is None else f"actor:{known}"


def default_caller() -> str:
    """A hash of the credentials sent: `Authorization`, `X-API-Key` and Flask's session; without any, the address.

    None of them is kept itself. Callers behind one address share it, and one whose credentials are renewed is another
    caller then, so an app with logins of its own should set `BACKEND_API_CALLER`.
    """
    credentials = [request.headers.get(name, "") for name in CREDENTIAL_HEADERS]
    credentials.append(_session_sent())
    if any(credentials):
        text = "\0".join(credentials)  # no header value has a NUL
        return "credentials:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"address:{request.remote_addr}"


def _session_sent() -> str:
    """What identifies the session: the contents of a signed cookie, since its date changes; else the cookie, an id."""
    cookie = request.cookies.get(current_app.config["SESSION_COOKIE_NAME"], "")
    interface = current_app.session_interface
    if not cookie or not isinstance(interface, SecureCookieSessionInterface):
        return cookie
    # Opened anew: code before us may have changed the request's own.
    contents = interface.open_session(current_app, request)
    return session_json_serializer.dumps(dict(contents)) if contents else ""
