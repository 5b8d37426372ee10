"""The worker process: `python -m example_app.worker`.

Each job runs in a forked child with an app context of its own. SIGTERM finishes the current job, then exits.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from example_app import create_app
from example_app.extensions import db
from example_app.jobs.queue import QUEUE_NAME
from example_app.process.lifeline import die_with_parent
from example_app.services.confirmations import resend_missing
from example_app.services.product_imports import resume_unfinished

if TYPE_CHECKING:
    from flask import Flask
    from rq.job import Job

_RESEND_OLDER_THAN_SECONDS = 60

_log = logging.getLogger(__name__)


class ShopWorker(Worker):
    """An RQ worker that knows the app and whose forked children never outlive it."""

    app: Flask

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


def main() -> int:
    """Put back what an earlier worker left unfinished, then work until a signal."""
    app = create_app()
    connection = Redis.from_url(str(app.config["BACKEND_REDIS_URL"]))
    with app.app_context():
        imports = resume_unfinished()
        confirmations, _ = resend_missing(older_than_seconds=_RESEND_OLDER_THAN_SECONDS)
    if imports or confirmations:
        _log.info("worker.resumed", extra={"imports": imports, "confirmations": confirmations})
    queue = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)
    worker = ShopWorker([queue], connection=connection, serializer=JSONSerializer)
    worker.app = app
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    sys.exit(main())
