"""`GET /.well-known/jwks.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..decorators import public
from ..state import auth_state
from .schemas import KeySetSchema

if TYPE_CHECKING:
    from ... import Blueprint, Format

MAX_AGE_SECONDS: Final = 300


def add_key_set(blp: Blueprint, bare: Format) -> None:
    """The public keys, for other services that verify this app's tokens; `bare` is the format without an envelope."""

    @blp.get("/.well-known/jwks.json", format=bare)
    @public(reason="public keys are for everybody")
    @blp.response(200, KeySetSchema)
    def key_set() -> tuple[Mapping[str, Any], dict[str, str]]:
        """The public keys that verify this app's tokens (RFC 7517)."""
        return auth_state().keys.jwks(), {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
