"""The front page, and what all pages for people have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS
from flask_backend_patterns import public

if TYPE_CHECKING:
    from flask import Response

blp = Blueprint("pages", __name__)

# No scripts, the shop's own style sheet, forms that lead nowhere else; `data:` is the empty icon.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@blp.after_app_request
def restrict(response: Response) -> Response:
    """Say what a page may load; answers of the API have a policy of their own."""
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response


@blp.app_errorhandler(404)
def not_found(_error: Exception) -> tuple[str, int]:
    """A page for people. Unknown addresses under `/api` are answered by the package, in its format."""
    return render_template("not_found.html"), 404


@blp.get("/")
@public(reason="the way in")
def home() -> str:
    """What this is, where to look, how to log in."""
    manager = next(user.email for user in DEMO_USERS if user.role == "manager")
    return render_template("home.html", users=DEMO_USERS, manager=manager, password=DEMO_PASSWORD)
