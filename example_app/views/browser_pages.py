"""What the pages behind a login have in common: nobody stores them, and their errors are pages too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import render_template
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from flask import Blueprint, Response


def behave_as_pages(blp: Blueprint) -> None:
    """Have the views of `blp` answered in this way; errors so for browsers, for others as the package does."""
    blp.after_request(_keep_private)
    blp.register_error_handler(HTTPException, show_problem)


def _keep_private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def show_problem(error: Exception) -> tuple[str, int]:
    """The page for an error, and its status."""
    problem = error if isinstance(error, HTTPException) else HTTPException()
    return render_template("problem.html", problem=problem), problem.code or 500
