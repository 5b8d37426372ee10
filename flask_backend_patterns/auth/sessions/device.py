"""The device that sends the request being served."""

from __future__ import annotations

from flask import request

from .session import Device


def device_of_request(name: str = "") -> Device:
    """As the request says: its `User-Agent`, its address (the client's behind a trusted proxy), and the name given."""
    return Device(
        user_agent=request.headers.get("User-Agent", ""), address=request.remote_addr or "", name=name
    )
