"""The job behind `enqueue_confirmation`."""

from __future__ import annotations

from pathlib import Path

from flask import current_app

from example_app.services.confirmations import confirm


def send_confirmation(order_id: int) -> str:
    """Write the confirmation of an order to the mail folder; returns the file's name."""
    return confirm(order_id, folder=Path(current_app.instance_path) / "mail").name
