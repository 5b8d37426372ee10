"""The worker process: `python -m example_app.worker`.

Each job runs in a forked child with an app context of its own. SIGTERM finishes the current job, then exits.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from redis import Redis, RedisError
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from example_app import create_app
from example_app.extensions import db
from example_app.jobs.queue import QUEUE_NAME, confirmations_under_way, imports_under_way
from example_app.process.lifeline import die_with_parent
from example_app.services.confirmations import resend_missing
from example_app.services.product_imports import resume_unfinished

if TYPE_CHECKING:
    from flask import Flask
    from redis.client import Pipeline
    from rq.job import Job

_log = logging.getLogger(__name__)


class ShopWorker(Worker):
    """An RQ worker that knows the app and whose forked children never outlive it."""

    app: Flask
    sweep_seconds: float = 60.0
    _swept_at = 0.0

    @property
    def dequeue_timeout(self) -> int:
        """Wait for a job no longer than until the next sweep."""
        return max(1, min(super().dequeue_timeout, int(self.sweep_seconds)))

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Look for work left undone as well, now and then.

        RQ calls this before it waits for a job and after each one, in the only thread: a thread of our own could hold
        a lock at the moment of a fork, which the child would then wait for in vain.
        """
        super().heartbeat(timeout, pipeline)
        if self._horse_pid == 0 and pipeline is None and self._due():
            sweep(self.app, older_than_seconds=self.sweep_seconds)

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._swept_at < self.sweep_seconds:
            return False
        self._swept_at = now
        return True

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Run in the forked child: end with the worker, and leave the worker's database connections alone."""
        die_with_parent()
        with self.app.app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)

    def perform_job(self, job: Job, queue: Queue) -> bool:
        """Run the job inside an app context."""
        with self.app.app_context():
            return super().perform_job(job, queue)


def sweep(app: Flask, *, older_than_seconds: float) -> None:
    """Queue what should have been done by now and is not under way: its job was lost, raised, or was killed."""
    with app.app_context():
        try:
            imports = resume_unfinished(but_for=imports_under_way)
            confirmations, _ = resend_missing(
                older_than_seconds=older_than_seconds, but_for=confirmations_under_way
            )
        except (SQLAlchemyError, RedisError) as error:
            # The next sweep tries again; the worker goes on.
            _log.warning("worker.sweep_failed", extra={"cause": type(error).__name__})
            return
    _resumed(imports, confirmations)


def _resumed(imports: int, confirmations: int) -> None:
    if imports or confirmations:
        _log.info("worker.resumed", extra={"imports": imports, "confirmations": confirmations})


def main() -> int:
    """Put back what an earlier worker left unfinished, then work until a signal."""
    app = create_app()
    connection = Redis.from_url(str(app.config["BACKEND_REDIS_URL"]))
    with app.app_context():
        _resumed(resume_unfinished(), resend_missing(older_than_seconds=0)[0])
    queue = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)
    worker = ShopWorker([queue], connection=connection, serializer=JSONSerializer)
    worker.app, worker.sweep_seconds = app, app.config["SHOP_SWEEP_SECONDS"]
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    sys.exit(main())
