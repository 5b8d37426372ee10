"""Calls what may be async from code that is not."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Callable


def call_synchronously(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of `function`, which may be async, or call async functions by Flask's `ensure_sync`.

    An enforcer of an async view runs where an event loop is running already, which cannot wait for another coroutine:
    there a thread of its own calls `function`, in a copy of the context.
    """
    call = current_app.ensure_sync(function)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call(*args, **kwargs)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(copy_context().run, call, *args, **kwargs).result()
