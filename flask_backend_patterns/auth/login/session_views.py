"""`GET /sessions`, `DELETE /sessions/<id>`, `POST /logout-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NotFoundError
from ..decorators import require_auth
from ..sessions.keys import subject_tag
from ..state import auth_state
from .caller import logged_in_person
from .events import note
from .logging_out import forget_cookies, forget_session_cookies, sent_session
from .schemas import MessageSchema, SessionSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import Blueprint
    from ..sessions import Session


def add_sessions(blp: Blueprint) -> None:
    """The caller's own logins: to see, to end one, to end all."""

    @blp.get("/sessions")
    @require_auth
    @blp.response(200, SessionSchema(many=True))
    @blp.alt_response(403, description="An API key was sent.")
    def list_sessions() -> list[Session]:
        """The places where you are logged in, the one used last first."""
        actor = logged_in_person()
        return list(auth_state().sessions.list(actor.id, current_id=actor.session_id))

    @blp.delete("/sessions/<string:session_id>")
    @require_auth
    @blp.response(204)
    @blp.alt_response(403, description="An API key was sent.")
    @blp.alt_response(404, description="You have no such session.")
    def end_session(session_id: str) -> None:
        """Log out in one place."""
        actor = logged_in_person()
        if not auth_state().tokens.revoke(session_id=session_id, subject=actor.id, known_only=True):
            raise NotFoundError("You have no such session.")
        if session_id == actor.session_id:
            forget_cookies()
        cookie = sent_session()
        if cookie is not None and cookie.session_id == session_id:
            forget_session_cookies()
        note("session_ended", user_id=actor.id, session=session_id)

    @blp.post("/logout-all")
    @require_auth
    @blp.response(200, MessageSchema, example={"message": "You are logged out everywhere."})
    @blp.alt_response(403, description="An API key was sent.")
    def log_out_everywhere() -> Mapping[str, str]:
        """Log out in every place, this one too."""
        actor = logged_in_person()
        count = auth_state().tokens.revoke_all(actor.id)
        forget_cookies()
        cookie = sent_session()
        if cookie is not None and cookie.tag == subject_tag(actor.id):
            forget_session_cookies()
        note("logged_out_everywhere", user_id=actor.id, sessions=count)
        return {"message": "You are logged out everywhere."}
