"""`/login`: the login of the pages, by a form that needs no scripts.

The form is a double submit: a random value in a cookie and in a hidden field, so that no other site can log somebody in
to an account of its own (login CSRF). After the login the session has a value of its own.
"""

from __future__ import annotations

import math
import secrets
from hmac import compare_digest
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError

from example_app.views.browser_pages import behave_as_pages
from flask_backend_patterns import RateLimitError, UnauthorizedError, public
from flask_backend_patterns.auth.login.credentials import check_credentials, require_unchanged
from flask_backend_patterns.auth.login.delivery import Delivery, log_in
from flask_backend_patterns.auth.login.events import note
from flask_backend_patterns.auth.login.limits import limits_failures
from flask_backend_patterns.auth.login.schemas import CredentialsSchema
from flask_backend_patterns.auth.oauth.return_path import same_site_path

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue
    from werkzeug.wrappers import Response

blp = Blueprint("browser_login", __name__)
behave_as_pages(blp)

FORM_COOKIE = "shop_login_form"
CSRF_FIELD = "csrf_token"
_CSRF_BYTES = 32
_MINUTE_SECONDS = 60
_NOTICES = {"here": "You are logged out.", "everywhere": "You are logged out everywhere."}


@blp.get("/login")
@public(reason="the form to log in by")
def show_form() -> ResponseReturnValue:
    """The form; `next` is where to go afterwards."""
    return login_page(
        next_page=request.args.get("next", ""), notice=_NOTICES.get(request.args.get("ended", ""), "")
    )


@blp.post("/login")
@public(reason="who logs in is not known yet", takes_credentials=True)
@limits_failures("failures, by address and account")
def send_form() -> ResponseReturnValue:
    """Log in, and go on to `next` or to the account."""
    sent = request.cookies.get(FORM_COOKIE, "").encode()
    if not sent or not compare_digest(sent, request.form.get(CSRF_FIELD, "").encode()):
        error = "This form is too old, or your browser takes no cookies. Please log in again."
        return _refused(error, HTTPStatus.BAD_REQUEST)
    try:
        return _log_in()
    except ValidationError:
        return _refused("Type your e-mail address and your password.", HTTPStatus.UNPROCESSABLE_ENTITY)
    except UnauthorizedError:
        return _refused("The e-mail address or the password is wrong.", HTTPStatus.UNAUTHORIZED)
    except RateLimitError as limit:
        error = f"Too many logins have failed. Please try again in {_in_words(limit.retry_after or 1)}."
        response = _refused(error, HTTPStatus.TOO_MANY_REQUESTS)
        response.headers.extend(limit.headers)
        return response


def login_page(
    *, next_page: str = "", notice: str = "", error: str = "", status: int = HTTPStatus.OK
) -> Response:
    """The form, with what there is to say; an error has the focus."""
    value = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(_CSRF_BYTES)
    page = render_template(
        "login.html",
        csrf_token=value,
        next=same_site_path(next_page) or "",
        login=request.form.get("login", ""),
        notice=notice,
        error=error,
    )
    response = make_response(page, status)
    # The same for every tab: a form that is open in another one stays good.
    response.set_cookie(FORM_COOKIE, value, httponly=True, secure=request.is_secure, samesite="Lax")
    return response


def _log_in() -> Response:
    typed = CredentialsSchema(only=("login", "password")).load(
        {name: request.form.get(name, "") for name in ("login", "password")}
    )
    account = check_credentials(typed["login"], typed["password"])
    begun = log_in(account, delivery=Delivery.SESSION)
    require_unchanged(account, typed["password"], begun)
    note("login_succeeded", user_id=account.id, session=begun.session_id, delivery=Delivery.SESSION.value)
    response = make_response(
        redirect(
            same_site_path(request.form.get("next", "")) or url_for("browser_account.show"),
            HTTPStatus.SEE_OTHER,
        )
    )
    return begun.attach(response)


def _in_words(seconds: float) -> str:
    """A waiting time for people."""
    count, unit = (seconds, "second") if seconds < _MINUTE_SECONDS else (seconds / _MINUTE_SECONDS, "minute")
    whole = max(1, math.ceil(count))
    return f"{whole} {unit}{'s' if whole > 1 else ''}"


def _refused(error: str, status: HTTPStatus) -> Response:
    return login_page(next_page=request.form.get("next", ""), error=error, status=status)
