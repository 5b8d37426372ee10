"""`/api/me` and `/api/accounts/me`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.basic_auth import current_actor, require_login
from example_app.extensions import db
from example_app.repositories.accounts import AccountRepository
from example_app.schemas.account import AccountSchema, ActorSchema
from flask_backend_patterns import Blueprint, NotFoundError

if TYPE_CHECKING:
    from example_app.actor import Actor
    from example_app.models import Account

blp = Blueprint("account", __name__, url_prefix="/api", description="The caller")


@blp.get("/me")
@require_login
@blp.response(200, ActorSchema)
def get_me() -> Actor:
    """Who is calling."""
    return current_actor()


@blp.get("/accounts/me")
@require_login
@blp.response(200, AccountSchema)
@blp.alt_response(404, description="The account has not been opened yet.")
def get_my_account() -> Account:
    """The caller's account; it is opened with the first order."""
    account = AccountRepository(db.session()).of_customer(current_actor().id)
    if account is None:
        raise NotFoundError("You have no account yet: it is opened with your first order.")
    return account
