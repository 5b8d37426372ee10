"""Translates httpx' exceptions: what went wrong with a service we call."""

from __future__ import annotations

import httpx

from ..tree import AppError, DeadlineExceededError, NetworkError, ThirdPartyAPIError


def translate(error: Exception) -> AppError | None:
    """Too slow 504, unreachable 503, answered with an error or nonsense 502; misuse of httpx is a fault of ours."""
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceededError("A service we depend on took too long.")
    if isinstance(error, (httpx.NetworkError, httpx.ProxyError)):
        return NetworkError()
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)):
        return None
    if isinstance(error, httpx.HTTPError):
        return ThirdPartyAPIError()
    return None
