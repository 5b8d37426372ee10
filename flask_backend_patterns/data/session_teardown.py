"""Keeps a database that has gone from ending a request that is done (PITFALLS R7).

Flask-SQLAlchemy removes its session when the app context ends, after the response is made. Removing it rolls back,
which fails on a lost connection, out of the application: the answer is replaced by the server's own 500, and what else
is to be done at the end of a request is not done.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from flask import request

from .._contribution import REQUEST_ID_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from .._contribution import EventLog

# Of the request whose app context is about to end: that ends after the request itself.
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def install(app: Flask, log: EventLog) -> None:
    """Have the app contain what Flask-SQLAlchemy's teardown raises; it may be set up after us.

    Only errors of SQLAlchemy and of its drivers, and only out of that teardown: they are logged, once, as
    `session_teardown_failed`. The session is given up together with its connections.
    """
    flask_teardown_request: Callable[..., None] = app.do_teardown_request
    flask_teardown_appcontext: Callable[..., None] = app.do_teardown_appcontext
    seen: list[int] = [0]  # how many teardown functions have been looked at

    def do_teardown_request(*args: Any, **options: Any) -> None:
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        _request_id.set(asked.environ.get(REQUEST_ID_KEY))
        flask_teardown_request(*args, **options)

    def do_teardown_appcontext(*args: Any, **options: Any) -> None:
        if len(app.teardown_appcontext_funcs) != seen[0]:
            _contain(app, log)
            seen[0] = len(app.teardown_appcontext_funcs)
        flask_teardown_appcontext(*args, **options)
        _request_id.set(None)

    # As instance attributes, as `errors` does it.
    vars(app).update(do_teardown_request=do_teardown_request, do_teardown_appcontext=do_teardown_appcontext)


def contained(
    teardown: Callable[[BaseException | None], Any], db: SQLAlchemy, log: EventLog
) -> Callable[[BaseException | None], None]:
    """Flask-SQLAlchemy's own teardown, raising nothing that the database can cause."""

    def contained_teardown(exc: BaseException | None) -> None:
        try:
            teardown(exc)
        except Exception as error:
            if not isinstance(error, _database_errors(db)):
                raise
            _give_up_session(db)
            request_id = _request_id.get()
            fields: dict[str, Any] = {} if request_id is None else {"request_id": request_id}
            log.error("session_teardown_failed", exc_info=error, **fields)  # noqa: TRY400 - not a standard logger

    return contained_teardown


def _contain(app: Flask, log: EventLog) -> None:
    if "sqlalchemy" not in app.extensions:
        return
    from flask_sqlalchemy import SQLAlchemy

    functions = app.teardown_appcontext_funcs
    for index, function in enumerate(functions):
        db = getattr(function, "__self__", None)
        if isinstance(db, SQLAlchemy):
            functions[index] = contained(function, db, log)


def _give_up_session(db: SQLAlchemy) -> None:
    """Forget the session, whose connections may be anything but usable; the next one in this context is a new one."""
    registry = cast("Any", db.session.registry)
    if registry.has():
        with contextlib.suppress(*_database_errors(db)):
            registry().invalidate()
    registry.clear()


def _database_errors(db: SQLAlchemy) -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    drivers = (engine.dialect.loaded_dbapi for engine in db.engines.values())
    return (SQLAlchemyError, *(driver.Error for driver in drivers))
