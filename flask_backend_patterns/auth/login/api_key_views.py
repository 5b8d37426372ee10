"""`/api-keys`: the caller's own keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import url_for

from ...errors import NotFoundError
from ..decorators import require_auth
from ..state import auth_state
from .caller import logged_in_person
from .events import note
from .schemas import ApiKeySchema, MadeApiKeySchema, NewApiKeySchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import Blueprint
    from ..api_keys import ApiKey

FRESH_SECONDS = 900  # a key outlives the session that made it: who makes one has just shown the password
_FORBIDDEN = "An API key was sent: only a person who has logged in makes and ends keys."


def add_api_keys(blp: Blueprint) -> None:
    """Make, list and end keys for programs."""

    @blp.get("/api-keys")
    @require_auth
    @blp.response(200, ApiKeySchema(many=True))
    @blp.alt_response(403, description=_FORBIDDEN)
    def list_api_keys() -> list[ApiKey]:
        """Your API keys, newest first."""
        return list(auth_state().api_keys.list(logged_in_person().id))

    @blp.post("/api-keys")
    @require_auth(fresh_seconds=FRESH_SECONDS)
    @blp.arguments(NewApiKeySchema, example={"name": "nightly report", "scopes": ["orders:read"]})
    @blp.response(201, MadeApiKeySchema, location=lambda made: url_for(".end_api_key", key_id=made["id"]))
    @blp.alt_response(401, description="The login is not of the last 15 minutes (`FRESH_LOGIN_REQUIRED`).")
    @blp.alt_response(403, description=_FORBIDDEN)
    @blp.alt_response(409, description="You have as many keys as you may have.")
    def make_api_key(body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make an API key. It is shown in this answer and never again."""
        actor = logged_in_person()
        made = auth_state().api_keys.create(
            actor.id, name=body["name"], scopes=body["scopes"], expires_at=body["expires_at"]
        )
        key = made.api_key
        note("api_key_made", user_id=actor.id, key_id=key.id, scopes=list(key.scopes))
        return {
            "key": made.key,
            **{name: getattr(key, name) for name in ("id", "shown", "name", "scopes", "created_at")},
            **{name: getattr(key, name) for name in ("expires_at", "last_used_at")},
        }

    @blp.delete("/api-keys/<string:key_id>")
    @require_auth
    @blp.response(204)
    @blp.alt_response(403, description=_FORBIDDEN)
    @blp.alt_response(404, description="You have no such key.")
    def end_api_key(key_id: str) -> None:
        """End an API key: it is refused from now on."""
        actor = logged_in_person()
        if not auth_state().api_keys.revoke(actor.id, key_id):
            raise NotFoundError("You have no such key.")
        note("api_key_ended", user_id=actor.id, key_id=key_id)
