"""Who is calling, where no authentication says: for keys that belong to one caller."""

from __future__ import annotations

import hashlib

from flask import request


def default_caller() -> str:
    """A hash of the `Authorization` header, which is never kept itself; else the client's address.

    Callers behind one address share it, so an app with logins of its own should set `BACKEND_API_CALLER`.
    """
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return "authorization:" + hashlib.sha256(authorization.encode(errors="surrogatepass")).hexdigest()
    return f"address:{request.remote_addr}"
