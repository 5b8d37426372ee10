"""The files of the page: Swagger UI as `flask-swagger-ui` bundles it, and our script that starts it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from .representation import Representation

# Of the bundle only what the page asks for; its other scripts are for pages of another layout.
BUNDLE_PACKAGE, BUNDLE_FOLDER = "flask_swagger_ui", "dist"
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
}
START_SCRIPT = "start.js"
BUNDLED = (
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-16x16.png",
    "favicon-32x32.png",
    "oauth2-redirect.html",
    "oauth2-redirect.js",
)
NAMES = (*BUNDLED, START_SCRIPT)

# Everything from this host, no inline script; Swagger UI sets styles on elements and shows pictures from `data:`.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


@cache
def read_file(name: str) -> Representation:
    """One of `NAMES`, read when it is first asked for and kept for all apps of the process."""
    folder = files(__package__) if name == START_SCRIPT else files(BUNDLE_PACKAGE) / BUNDLE_FOLDER
    content = (folder / name).read_bytes()
    return Representation(
        content=content, media_type=MEDIA_TYPES[name[name.rindex(".") :]], headers=PAGE_HEADERS
    )


@cache
def read_template(name: str) -> str:
    """A page beside this file, with `{title}` and its kin to fill in."""
    return (files(__package__) / name).read_text(encoding="utf-8")
