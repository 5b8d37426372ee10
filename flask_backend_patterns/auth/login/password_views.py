"""`POST /reset/request`, `/reset`, `/password`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..decorators import public, require_auth
from . import address_proofs, new_passwords
from .caller import logged_in_person
from .limits import limits_failures
from .registration_views import SENT
from .schemas import ChangePasswordSchema, LoginOnlySchema, MessageSchema, ResetSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import Blueprint

RESET: Final = {
    "message": "Your password is changed, and you are logged out everywhere. Log in with the new one."
}
CHANGED: Final = {"message": "Your password is changed, and you are logged out everywhere else."}


def add_reset(blp: Blueprint) -> None:
    """`POST /reset/request` and `/reset`."""

    @blp.post("/reset/request")
    @public(reason="who has forgotten a password cannot log in", takes_credentials=True)
    @limits_failures("messages, by address and account")
    @blp.arguments(LoginOnlySchema, example={"login": "ada@example.com"})
    @blp.response(202, MessageSchema, example=SENT)
    def request_reset(body: Mapping[str, str]) -> Mapping[str, str]:
        """Ask for a token to choose a new password. The answer is the same for unknown addresses."""
        address_proofs.send_reset(body["login"])
        return SENT

    @blp.post("/reset")
    @public(reason="the token says whose password it is", takes_credentials=True)
    @limits_failures()
    @blp.arguments(
        ResetSchema,
        example={"token": "wJxKqv7mR0m4bqk2dZ6vTn5s8y1uE3aG9hLpQfXcBzA", "password": "correct horse battery"},
    )
    @blp.response(200, MessageSchema, example=RESET)
    def reset(body: Mapping[str, str]) -> Mapping[str, str]:
        """Choose a new password by the token that was sent; ends every session. A weak password keeps the token."""
        new_passwords.reset_password(body["token"], body["password"])
        return RESET


def add_password_change(blp: Blueprint) -> None:
    """`POST /password`."""

    @blp.post("/password")
    @require_auth
    @limits_failures("failures, by address and account")
    @blp.arguments(
        ChangePasswordSchema,
        example={"old_password": "correct horse battery", "new_password": "tall giraffe paper clip"},
    )
    @blp.response(200, MessageSchema, example=CHANGED)
    @blp.alt_response(403, description="An API key was sent.")
    def change_password(body: Mapping[str, str]) -> Mapping[str, str]:
        """Choose a new password; ends every session but this one."""
        new_passwords.change_password(logged_in_person(), old=body["old_password"], new=body["new_password"])
        return CHANGED
