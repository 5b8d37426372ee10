"""Enforces `@idempotent`: one request runs the view, the others get its answer."""

from __future__ import annotations

from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, request

from ..._finished import finished
from ..._synchronous import call_synchronously
from ..caller import default_caller
from .declaration import METHODS, Idempotent
from .protocols import Entry
from .refusals import missing_key
from .request_identity import fingerprint, read_key, scoped_key
from .stored_response import StoredResponse, capture, is_kept, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from .protocols import Attempt, IdempotencyStore
    from .settings import IdempotencySettings

# The request that is being run already: declared on a class and on its method, it is enforced once.
_running: ContextVar[object] = ContextVar("idempotent_request", default=None)


class Enforcement:
    """The enforcer of one app; `store_called` gives the store of a name, `caller` tells who sends."""

    def __init__(
        self,
        settings: IdempotencySettings,
        store_called: Callable[[str], IdempotencyStore],
        caller: Callable[[], Any],
    ) -> None:
        self._settings = settings
        self._store_called = store_called
        self._caller = caller

    def enforce(self, declaration: Idempotent) -> Generator[None, Any, Any]:
        """Around the view: see `guard.Around`."""
        if request.method not in METHODS or _running.get() is _this_request():
            return None
        key = read_key(request)
        if key is None:
            if declaration.key_required:
                raise missing_key()
            return None
        entry = Entry(
            key_hash=scoped_key(request, app=current_app.name, caller=self._name_caller(), key=key),
            fingerprint=fingerprint(request),
            ttl_seconds=declaration.ttl_seconds or self._settings.ttl_seconds,
        )
        found = self._store_called(declaration.store or self._settings.store).begin(entry)
        if isinstance(found, StoredResponse):
            return replay(found)
        with closing(found) as attempt, _marked_as_running():
            return (yield from self._run(attempt))

    def _name_caller(self) -> str:
        """What the app says, a string or an id; who has no name there is told apart as if nobody had."""
        name = self._caller()
        return default_caller() if name is None or name == "" else str(name)

    def _run(self, attempt: Attempt) -> Generator[None, Any, Response]:
        error: Exception | None = None
        try:
            response = finished((yield), "idempotent")
            result = self._result_of(response, None)
            if result is not None:
                attempt.end_view()
        except Exception as raised:  # noqa: BLE001 - answered as Flask would, which raises what nobody foresaw
            error = raised
            attempt.undo()
            response = current_app.make_response(call_synchronously(current_app.handle_user_exception, error))
            result = self._result_of(response, error)
        if result is not None:
            attempt.complete(result)
        return response

    def _result_of(self, response: Response, error: Exception | None) -> StoredResponse | None:
        if not is_kept(response, error):
            return None
        return capture(response, max_bytes=self._settings.max_response_bytes)


def _this_request() -> object:
    return request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - werkzeug's documented way


@contextmanager
def _marked_as_running() -> Iterator[None]:
    outer = _running.get()
    _running.set(_this_request())
    try:
        yield
    finally:
        _running.set(outer)
