"""The queue's part in readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis
    from rq import Queue


class NoWorkerError(RuntimeError):
    """Nothing takes jobs from a queue."""


def check_queues(connection: Redis, queues: tuple[str, ...]) -> dict[str, Any]:
    """How many jobs wait and how many workers listen; raises `NoWorkerError` when a queue has no worker."""
    from rq import Queue

    waiting, listening = {}, {}
    for name in queues:
        queue = Queue(name, connection=connection)
        waiting[name] = queue.count
        listening[name] = count_workers(queue)
    deserted = [name for name, count in listening.items() if not count]
    if deserted:
        raise NoWorkerError(f"no worker listens to {', '.join(deserted)}")
    return {"waiting": waiting, "workers": listening}


def count_workers(queue: Queue) -> int:
    """Workers with a heartbeat. `Worker.count` also counts killed ones, until another worker clears them away."""
    from rq import Worker

    keys = Worker.all_keys(queue=queue)
    return int(queue.connection.exists(*keys)) if keys else 0
