"""The queue as the web process sees it: short timeouts, no retries, JSON instead of pickle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import current_app
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

if TYPE_CHECKING:
    from flask import Flask

QUEUE_NAME = "default"
_KEY = "example_app.queue"
_CONNECT_TIMEOUT_SECONDS = 0.2
_ANSWER_TIMEOUT_SECONDS = 0.3
_IMPORT_TIMEOUT_SECONDS = 1_800
_CONFIRMATION_TIMEOUT_SECONDS = 30
_ACCOUNT_MAIL_TIMEOUT_SECONDS = 30
_RESULT_TTL_SECONDS = 3_600
_FAILURE_TTL_SECONDS = 7 * 24 * 3_600
_SECRET_FAILURE_TTL_SECONDS = 3_600

_CONFIRMATION_JOB = "example_app.jobs.confirmations.send_confirmation"
_ACCOUNT_MAIL_JOB = "example_app.jobs.account_mails.send_account_mail"
_IMPORT_JOB = "example_app.jobs.product_imports.run_import"
_JOBS_AT_A_TIME = 500

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
    return _enqueue(_CONFIRMATION_JOB, order_id, timeout_seconds=_CONFIRMATION_TIMEOUT_SECONDS)


def enqueue_account_mail(kind: str, address: str, token: str | None) -> bool:
    """Have a mail about an account written. False, and a line in the log, when Redis does not answer."""
    return _enqueue(
        _ACCOUNT_MAIL_JOB,
        kind,
        address,
        token,
        timeout_seconds=_ACCOUNT_MAIL_TIMEOUT_SECONDS,
        has_secrets=True,
    )


def enqueue_import(import_id: int) -> bool:
    """Have an import worked off. False, and a line in the log, when Redis does not answer."""
    return _enqueue(_IMPORT_JOB, import_id, timeout_seconds=_IMPORT_TIMEOUT_SECONDS)


def confirmations_under_way() -> set[int]:
    """Orders whose confirmation waits in the queue or is being sent. Raises `RedisError`."""
    return _under_way(_CONFIRMATION_JOB)


def imports_under_way() -> set[int]:
    """Imports that wait in the queue or are being worked off. Raises `RedisError`."""
    return _under_way(_IMPORT_JOB)


def _under_way(job: str) -> set[int]:
    queue: Queue = current_app.extensions[_KEY]
    # Asking the registry for its ids also takes those out of it whose worker has not been heard of for a while.
    job_ids = [*queue.started_job_registry.get_job_ids(), *queue.get_job_ids()]
    arguments: set[int] = set()
    for start in range(0, len(job_ids), _JOBS_AT_A_TIME):
        part = job_ids[start : start + _JOBS_AT_A_TIME]
        found = Job.fetch_many(part, connection=queue.connection, serializer=JSONSerializer)
        arguments.update(int(one.args[0]) for one in found if one is not None and one.func_name == job)
    return arguments


def _enqueue(job: str, *arguments: object, timeout_seconds: int, has_secrets: bool = False) -> bool:
    # Secrets are kept out of the description, which the worker logs, and out of Redis as soon as the job is done.
    shown = job if has_secrets else f"{job}({', '.join(map(str, arguments))})"
    queue: Queue = current_app.extensions[_KEY]
    try:
        queue.enqueue_call(
            job,
            args=arguments,
            timeout=timeout_seconds,
            result_ttl=0 if has_secrets else _RESULT_TTL_SECONDS,
            failure_ttl=_SECRET_FAILURE_TTL_SECONDS if has_secrets else _FAILURE_TTL_SECONDS,
            description=shown,
        )
    except RedisError as error:
        # The caller has committed already: its answer must not become a failure because of the queue.
        _log.warning("job.not_enqueued", extra={"job": shown, "cause": type(error).__name__})
        return False
    return True
