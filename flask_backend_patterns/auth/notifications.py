"""Hands tokens that prove an address to whoever delivers them, mail mostly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._config import SetupError
from .._synchronous import call_synchronously
from .._transaction import after_commit

if TYPE_CHECKING:
    from .._contribution import EventLog
    from .protocols import Notification, Notifier


class Notifications:
    """Sends what the login blueprint has to tell users; `notifier` may be async."""

    def __init__(self, notifier: Notifier | None, *, log: EventLog) -> None:
        self._notifier = notifier
        self._log = log

    def require(self) -> None:
        """Raise `SetupError` when there is nobody to deliver, before anything is written that needs it."""
        self._deliverer()

    def send(self, notification: Notification) -> None:
        """Deliver once the open transaction is committed, at once without one; never after a rollback.

        What the notifier raises is logged as `auth.notification_failed` and changes no answer: an answer that told
        would also tell whether there is an account. Raises `SetupError` when there is no notifier.
        """
        after_commit(partial(self._deliver, self._deliverer(), notification))

    def _deliverer(self) -> Notifier:
        if self._notifier is None:
            raise SetupError(
                "Nothing delivers verification and reset tokens: hand a function over by "
                "BackendPatterns(notifier=...) or BACKEND_AUTH_NOTIFIER. It takes a Notification (kind, user, token) "
                "and should only enqueue the mail."
            )
        return self._notifier

    def _deliver(self, notifier: Notifier, notification: Notification) -> None:
        try:
            call_synchronously(notifier, notification)
        except Exception as error:  # noqa: BLE001 - somebody else's code; what was written stands
            # Neither message nor stack: both may show the token, or the address it was for.
            self._log.error(
                "auth.notification_failed",
                kind=notification.kind,
                exception=type(error).__name__,
                at=_place(error),
            )


def _place(error: Exception) -> str:
    """The function and line that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
