"""`/account`: the caller's own orders and logins, as pages. The forms carry the CSRF value of the session."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden, Unauthorized

from example_app.extensions import db
from example_app.money import format_cents
from example_app.repositories.orders import SORT_COLUMNS, OrderRepository
from example_app.repositories.users import UserRepository
from example_app.views.browser_login import login_page
from example_app.views.browser_pages import behave_as_pages, show_problem
from example_app.views.caller import caller_id
from flask_backend_patterns import CacheError, NotFoundError, current_actor, require_auth
from flask_backend_patterns.auth.login.caller import logged_in_person
from flask_backend_patterns.auth.login.events import note
from flask_backend_patterns.auth.sessions import csrf_cookie_name, end_session
from flask_backend_patterns.auth.state import auth_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response

    from example_app.models import Order
    from flask_backend_patterns.auth.sessions import Session

blp = Blueprint("browser_account", __name__, url_prefix="/account")
behave_as_pages(blp)
blp.add_app_template_filter(format_cents, "cents")

_SHOWN_ORDERS = 20


@blp.errorhandler(401)
def ask_to_log_in(_error: Unauthorized) -> ResponseReturnValue:
    """The form: at its own address for who wanted to read, at once for who sent something, which was not done."""
    if request.method in {"GET", "HEAD"}:
        return redirect(url_for("browser_login.show_form", next=request.full_path.rstrip("?")))
    return login_page(
        next_page=url_for("browser_account.show"),
        error="Nothing was changed: your login has ended. Please log in and try again.",
        status=HTTPStatus.UNAUTHORIZED,
    )


@blp.errorhandler(403)
def say_that_nothing_changed(error: Forbidden) -> ResponseReturnValue:
    """What was sent came without the session's CSRF value: from a page of an earlier login, or of another site."""
    if request.method in {"GET", "HEAD"}:
        return show_problem(error)
    old = Forbidden("Nothing was changed: the form was too old. Please go to your account and try again.")
    return show_problem(old)


@blp.get("")
@require_auth
def show() -> ResponseReturnValue:
    """The caller's own orders, and where they are logged in."""
    logged_in_person()
    user = UserRepository(db.session()).get(caller_id())
    if user is None:
        raise NotFoundError("You are not a customer of ours any more.")
    return render_template(
        "account.html",
        user=user,
        orders=_last_orders(),
        sessions=_sessions(),
        csrf_token=request.cookies.get(csrf_cookie_name(auth_state().settings.session_cookie), ""),
    )


@blp.post("/logout")
@require_auth
def log_out() -> ResponseReturnValue:
    """Log out here."""
    actor = logged_in_person()
    response = _to_form(ended="here")
    if not end_session(response) and actor.session_id is not None:  # of a token, which is no cookie
        auth_state().tokens.revoke(session_id=actor.session_id, subject=actor.id)
    note("logged_out", user_id=actor.id, session=actor.session_id)
    return response


@blp.post("/logout-all")
@require_auth
def log_out_everywhere() -> ResponseReturnValue:
    """Log out in every place, this one too."""
    actor = logged_in_person()
    count = auth_state().tokens.revoke_all(actor.id)
    response = _to_form(ended="everywhere")
    end_session(response)
    note("logged_out_everywhere", user_id=actor.id, sessions=count)
    return response


@blp.post("/sessions/<string:session_id>/end")
@require_auth
def end_one(session_id: str) -> ResponseReturnValue:
    """Log out in one place; one that has ended already is no error."""
    actor = logged_in_person()
    if auth_state().tokens.revoke(session_id=session_id, subject=actor.id, known_only=True):
        note("session_ended", user_id=actor.id, session=session_id)
    return redirect(url_for("browser_account.show", _anchor="logins"), HTTPStatus.SEE_OTHER)


def _last_orders() -> Sequence[Order]:
    """The newest of the caller's own; staff may read the others too, but not here."""
    own = OrderRepository.visible_to(current_actor).filter_by(user_id=caller_id())
    newest = own.order_by(SORT_COLUMNS["created"].desc(), SORT_COLUMNS["id"].desc()).limit(_SHOWN_ORDERS)
    return db.session().scalars(newest).all()


def _sessions() -> Sequence[Session] | None:
    """None while Redis is away: the rest of the page can be read."""
    try:
        return auth_state().sessions.list(current_actor.id, current_id=current_actor.session_id)
    except CacheError:
        return None


def _to_form(*, ended: str) -> Response:
    return make_response(redirect(url_for("browser_login.show_form", ended=ended), HTTPStatus.SEE_OTHER))
