"""Translates requests' exceptions: what went wrong with a service we call."""

from __future__ import annotations

from requests import exceptions

from ..tree import AppError, DeadlineExceededError, NetworkError, ThirdPartyAPIError


def translate(error: Exception) -> AppError | None:
    """Too slow 504, unreachable 503, answered with an error or nonsense 502; misuse of requests is a fault of ours."""
    if isinstance(error, exceptions.Timeout):  # first: ConnectTimeout is a ConnectionError too
        return DeadlineExceededError("A service we depend on took too long.")
    if isinstance(error, exceptions.ConnectionError):
        return NetworkError()
    if isinstance(error, ValueError) and not isinstance(error, exceptions.JSONDecodeError):
        return None  # a wrong URL or header of our own
    if isinstance(error, exceptions.RequestException):
        return ThirdPartyAPIError()
    return None
