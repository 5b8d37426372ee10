"""The one page for people."""

from __future__ import annotations

from flask import Blueprint, render_template

from example_app.seeding.demo import DEMO_PASSWORD, DEMO_USERS

blp = Blueprint("pages", __name__)


@blp.app_errorhandler(404)
def not_found(_error: Exception) -> tuple[str, int]:
    """A page for people. Unknown addresses under `/api` are answered by the package, in its format."""
    return render_template("not_found.html"), 404


@blp.get("/")
def home() -> str:
    """What this is, where to look, how to log in."""
    manager = next(user.email for user in DEMO_USERS if user.role == "manager")
    return render_template("home.html", users=DEMO_USERS, manager=manager, password=DEMO_PASSWORD)
