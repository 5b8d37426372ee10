"""Whether a loader has asked who is calling: then what it has loaded is for that caller alone (PITFALLS C1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from flask.globals import _cv_app, _cv_request

from .._contribution import ACTOR_ASKED_KEY

if TYPE_CHECKING:
    from types import TracebackType

# Where Flask-JWT-Extended puts a token that it has verified.
TOKEN: Final = "_jwt_extended_jwt"  # noqa: S105 - a name


class CallerWatch:
    """Sees, while it is entered, whether it is asked who calls. `is_asked` says so afterwards.

    What others who watch, such as `@cached_view`, have seen before is kept for them.
    """

    __slots__ = ("_environ", "_had_session", "_had_token", "_session", "_was_asked", "is_asked")

    def __init__(self) -> None:
        self.is_asked = False
        context = _cv_request.get(None)
        self._environ: dict[str, Any] | None = None if context is None else context.request.environ

    def __enter__(self) -> Self:
        if self._environ is not None:
            self._was_asked = self._environ.pop(ACTOR_ASKED_KEY, None)
            self._had_token = TOKEN in _cv_app.get().g
            self._session = _session()
            self._had_session = bool(getattr(self._session, "accessed", False))
            if self._had_session and "accessed" in vars(self._session):
                self._session.accessed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._environ is None:
            return
        is_used = bool(getattr(self._session, "accessed", False))
        was_noted = "accessed" in vars(self._session) if self._session is not None else False
        self.is_asked = (
            ACTOR_ASKED_KEY in self._environ
            or (TOKEN in _cv_app.get().g and not self._had_token)
            or (is_used and (was_noted or not self._had_session))
        )
        if self._had_session and was_noted:
            self._session.accessed = True
        if self._was_asked is not None:
            self._environ[ACTOR_ASKED_KEY] = self._was_asked


def _session() -> Any:
    """The session, without having it noted as used."""
    fields = vars(_cv_request.get())
    # Since Flask 3.1.3, and before.
    return fields["_session"] if "_session" in fields else fields.get("session")
