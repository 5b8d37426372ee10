"""One supervisor for one instance folder: two Redis servers over the same files would ruin them."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from example_app.process.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def sole_use(instance: Path) -> Iterator[None]:
    """Hold the folder; `UsageError` when another process holds it. The lock ends with the process, however it ends."""
    instance.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(instance / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise UsageError(
                f"The shop is running already with {instance} (process {holder}). "
                "Stop it, or choose another folder: SHOP_INSTANCE=other PORT=8001 make run"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
