"""The queue as the web process sees it: short timeouts, no retries, JSON instead of pickle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import current_app
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

if TYPE_CHECKING:
    from flask import Flask

QUEUE_NAME = "default"
_KEY = "example_app.queue"
_CONNECT_TIMEOUT_SECONDS = 0.2
_ANSWER_TIMEOUT_SECONDS = 0.3
_IMPORT_TIMEOUT_SECONDS = 1_800
_CONFIRMATION_TIMEOUT_SECONDS = 30
_RESULT_TTL_SECONDS = 3_600
_FAILURE_TTL_SECONDS = 7 * 24 * 3_600

_log = logging.getLogger(__name__)


def install_queue(app: Flask) -> None:
    """Give the app its queue; nothing is connected yet."""
    connection = Redis.from_url(
        str(app.config["BACKEND_REDIS_URL"]),
        socket_connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        socket_timeout=_ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    app.extensions[_KEY] = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)


def enqueue_confirmation(order_id: int) -> bool:
    """Have the confirmation of an order sent. False, and a line in the log, when Redis does not answer."""
    return _enqueue(
        "example_app.jobs.confirmations.send_confirmation",
        order_id,
        timeout_seconds=_CONFIRMATION_TIMEOUT_SECONDS,
    )


def enqueue_import(import_id: int) -> bool:
    """Have an import worked off. False, and a line in the log, when Redis does not answer."""
    return _enqueue(
        "example_app.jobs.product_imports.run_import", import_id, timeout_seconds=_IMPORT_TIMEOUT_SECONDS
    )


def _enqueue(job: str, argument: int, *, timeout_seconds: int) -> bool:
    queue: Queue = current_app.extensions[_KEY]
    try:
        queue.enqueue_call(
            job,
            args=(argument,),
            timeout=timeout_seconds,
            result_ttl=_RESULT_TTL_SECONDS,
            failure_ttl=_FAILURE_TTL_SECONDS,
            description=f"{job}({argument})",
        )
    except RedisError as error:
        # The caller has committed already: its answer must not become a failure because of the queue.
        _log.warning(
            "job.not_enqueued", extra={"job": job, "argument": argument, "cause": type(error).__name__}
        )
        return False
    return True
