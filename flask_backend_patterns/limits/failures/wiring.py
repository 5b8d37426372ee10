"""Makes the counts of failed logins of an app."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .counting import Failures
from .windows.sharing import shared_windows

if TYPE_CHECKING:
    from flask import Flask

    from ..._foundation import Foundation
    from .waits import Waits


def build_failures(
    app: Flask, base: Foundation, *, per_address: str, per_account: str, waits: Waits | None
) -> Failures:
    """Counts together with the other processes; connects to nothing. Raises `ConfigError` for rates that cannot be read.

    There whether or not limits are switched on: authentication stands on it.
    """
    return Failures(
        per_address=per_address,
        per_account=per_account,
        find_shared=partial(
            shared_windows,
            base.redis,
            find_limiter=partial(base.wrapped.find, app, "limiter"),
            log=base.log,
            prefix=f"backend:auth:{base.namespace}",
        ),
        secret=app.secret_key,
        waits=waits,
    )
