"""`/api/me` and `/api/accounts/me`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.extensions import db
from example_app.repositories.accounts import AccountRepository
from example_app.repositories.users import UserRepository
from example_app.schemas.account import AccountSchema, CallerSchema
from example_app.views.caller import caller_id
from flask_backend_patterns import Blueprint, NotFoundError, require_auth, require_permission

if TYPE_CHECKING:
    from example_app.models import Account, User

blp = Blueprint("account", __name__, url_prefix="/api", description="The caller")


@blp.get("/me")
@require_auth
@blp.response(200, CallerSchema)
@blp.alt_response(404, description="The caller has been deleted.")
def get_me() -> User:
    """Who is calling."""
    user = UserRepository(db.session()).get(caller_id())
    if user is None:
        raise NotFoundError("You are not a customer of ours any more.")
    return user


@blp.get("/accounts/me")
@require_permission("accounts:read", scoped=True)
@blp.response(200, AccountSchema)
@blp.alt_response(404, description="The account has not been opened yet.")
def get_my_account() -> Account:
    """The caller's account; it is opened with the first order."""
    account = AccountRepository(db.session()).of_customer(caller_id())
    if account is None:
        raise NotFoundError("You have no account yet: it is opened with your first order.")
    return account
