"""Mails about accounts, as files in the mail folder."""

from __future__ import annotations

import secrets
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from example_app.clock import utc_now
from example_app.services.confirmations import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_SENDER = "Shop <accounts@shop.example>"
_TEXTS = {
    "verify": ("Please confirm your address", "Send this token to POST /auth/verify within a day:"),
    "reset": (
        "Choose a new password",
        "Send this token and a new password to POST /auth/reset within an hour:",
    ),
    "already_registered": (
        "You have an account already",
        "Somebody, probably you, tried to register with this address. Log in, or reset your password.",
    ),
}


def write_account_mail(kind: str, address: str, token: str | None, *, folder: Path) -> Path:
    """Write the mail called `kind` to `folder`, in a file of its own; returns the file."""
    number = secrets.token_hex(8)
    path = folder / f"account-{kind}-{number}.eml"
    write_atomically(path, _render(kind, address, token, number).as_bytes())
    return path


def _render(kind: str, address: str, token: str | None, number: str) -> EmailMessage:
    subject, text = _TEXTS[kind]
    message = EmailMessage(policy=SMTP)
    message["From"] = _SENDER
    message["To"] = address
    message["Subject"] = subject
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = f"<account-{number}@shop.example>"
    lines = [text] if token is None else [text, "", token]
    message.set_content("\n".join([*lines, ""]))
    return message
