"""`POST /register`, `/verify`, `/verify/resend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..decorators import public
from . import address_proofs
from .limits import limits_failures
from .schemas import LoginOnlySchema, MessageSchema, OneTimeTokenSchema, registration_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import Blueprint
    from .options import LoginOptions

SENT: Final = {"message": "If this address can be used, a message is on its way to it."}
VERIFIED: Final = {"message": "Your address is verified."}
_REGISTRATION: Final = {"login": "ada@example.com", "password": "correct horse battery"}
_COUNTS: Final = "messages, by address and account"


def add_registration(blp: Blueprint, options: LoginOptions) -> None:
    """`POST /register`."""
    schema = registration_schema(with_email=options.email_logins, details=options.details)

    @blp.post("/register")
    @public(reason="who registers is not known yet", takes_credentials=True)
    @limits_failures(_COUNTS)
    @blp.arguments(schema, example=None if options.details else _REGISTRATION)
    @blp.response(202, MessageSchema, example=SENT)
    def register(body: Mapping[str, Any]) -> Mapping[str, str]:
        """Make an account. The answer is the same for an address that has one; its owner is sent a message."""
        address_proofs.register(
            login=body["login"], password=body["password"], details=body.get("details", {})
        )
        return SENT


def add_verification(blp: Blueprint) -> None:
    """`POST /verify` and `/verify/resend`."""

    @blp.post("/verify")
    @public(reason="the token says whose address it is", takes_credentials=True)
    @limits_failures()
    @blp.arguments(OneTimeTokenSchema, example={"token": "wJxKqv7mR0m4bqk2dZ6vTn5s8y1uE3aG9hLpQfXcBzA"})
    @blp.response(200, MessageSchema, example=VERIFIED)
    def verify(body: Mapping[str, str]) -> Mapping[str, str]:
        """Verify an address by the token that was sent to it; the token counts once."""
        address_proofs.verify(body["token"])
        return VERIFIED

    @blp.post("/verify/resend")
    @public(reason="who cannot log in yet has to be able to ask", takes_credentials=True)
    @limits_failures(_COUNTS)
    @blp.arguments(LoginOnlySchema, example={"login": "ada@example.com"})
    @blp.response(202, MessageSchema, example=SENT)
    def resend_verification(body: Mapping[str, str]) -> Mapping[str, str]:
        """Send the token for an address again. The answer is the same for unknown and for verified addresses."""
        address_proofs.send_verification(body["login"])
        return SENT
