"""The job behind `enqueue_account_mail`."""

from __future__ import annotations

from pathlib import Path

from flask import current_app

from example_app.services.account_mails import write_account_mail


def send_account_mail(kind: str, address: str, token: str | None) -> str:
    """Write the mail to the mail folder; returns the file's name."""
    return write_account_mail(kind, address, token, folder=Path(current_app.instance_path) / "mail").name
