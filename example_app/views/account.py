"""`/api/me` and `/api/accounts/me`."""

from __future__ import annotations

from example_app.basic_auth import current_actor, require_login
from example_app.extensions import db
from example_app.repositories.accounts import AccountRepository
from example_app.schemas.account import AccountSchema, ActorSchema
from example_app.schemas.paging import one_of
from flask_backend_patterns import Blueprint, NotFoundError

blp = Blueprint("account", __name__, url_prefix="/api", description="The caller")


@blp.get("/me")
@require_login
@blp.response(200, one_of(ActorSchema))
def get_me() -> dict[str, object]:
    """Who is calling."""
    return {"data": current_actor()}


@blp.get("/accounts/me")
@require_login
@blp.response(200, one_of(AccountSchema))
def get_my_account() -> dict[str, object]:
    """The caller's account; it is opened with the first order."""
    account = AccountRepository(db.session()).of_customer(current_actor().id)
    if account is None:
        raise NotFoundError("You have no account yet: it is opened with your first order.")
    return {"data": account}
