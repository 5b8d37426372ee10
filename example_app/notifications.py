"""Mails about accounts: verification and reset tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.jobs.queue import enqueue_account_mail

if TYPE_CHECKING:
    from flask_backend_patterns import Notification


def send_notification(notification: Notification) -> None:
    """Have the mail written by the worker."""
    enqueue_account_mail(notification.kind, notification.user.auth_login, notification.token)
