"""What the web server loads: `example_app.web:create_web_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app import create_app
from example_app.process.lifeline import die_with_parent

if TYPE_CHECKING:
    from flask import Flask


def create_web_app() -> Flask:
    """Build the shop inside a server's worker process, which from now on ends with the server's main process."""
    die_with_parent()
    return create_app()
