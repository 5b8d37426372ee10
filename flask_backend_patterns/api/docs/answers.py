"""Answers the page, its files and the document at the edge, as the health probes are: no route is added to the app."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from ..._api_routes import is_taken, unless_taken
from ..._config import SetupError
from ..document import JSON, as_bytes, as_text, read_document
from .files import NAMES, PAGE_HEADERS, read_file, read_template
from .representation import Representation

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Request, Response

    from ..._contribution import Answer

    FindApi: TypeAlias = "Callable[[], Any]"

DEFAULT_OPENAPI_PATH = "/openapi.json"
HTML = "text/html; charset=utf-8"
DOCUMENT_MEDIA_TYPE = "application/json"
NO_API = (
    "This app has no flask_smorest.Api yet. Make one with Api(app), set API_TITLE, API_VERSION and OPENAPI_VERSION, "
    "and register your blueprints on it with api.register_blueprint."
)
SEVERAL_APIS = (
    "This app has more than one flask_smorest.Api, or another one than it told the extension. "
    "Say which is shown here: BackendPatterns(api=...)."
)


def build_answers(
    app: Flask, find_api: FindApi, docs_path: str | None, openapi_path: str | None
) -> dict[str, Answer]:
    """What is answered by path: the page at `docs_path` with its files below, the document at `openapi_path`.

    None for `docs_path` means no page. None for `openapi_path` means the path at which flask-smorest serves the document itself, and
    where it does not, `/openapi.json` (only with a page). `find_api` gives the app's Api or None; it is first called by a request, so
    extensions and blueprints set up after this count too. A path that the app has a route for is left to the app. Raises `SetupError` when
    the document and the page would have the same path.
    """
    docs = _Docs(app=app, find_api=find_api, openapi_path=openapi_path)
    answers: dict[str, Answer] = {}
    if docs_path is not None:
        base = docs_path.rstrip("/")
        answers = {path: docs.page for path in (base, f"{base}/") if path}
        answers |= {f"{base}/{name}": _file_answer(name) for name in NAMES}
    path = openapi_path
    if path is None and docs_path is not None and not is_taken(app, DEFAULT_OPENAPI_PATH):
        path = DEFAULT_OPENAPI_PATH
    if path in answers:
        raise SetupError(
            f"The OpenAPI document cannot be at {path}, which the page at BACKEND_API_DOCS_PATH ({docs_path}) needs; "
            f"move one of them with BACKEND_API_DOCS_PATH or BACKEND_API_OPENAPI_PATH."
        )
    if path is not None:
        answers[path] = docs.document
    return {path: unless_taken(app, path, answer) for path, answer in answers.items()}


@dataclass(kw_only=True)
class _Docs:
    """The page and the document of one app."""

    app: Flask
    find_api: FindApi
    openapi_path: str | None
    _lock: Lock = field(default_factory=Lock)
    _built: tuple[object, Representation] | None = None

    def page(self, request: Request) -> Response:
        """The page, or one that says what the app lacks."""
        try:
            api = self._find_ready_api()
        except SetupError:
            return _message(SEVERAL_APIS, request)
        if api is None:
            return _message(NO_API, request)
        path = self.openapi_path or _served_path(self.app, api) or DEFAULT_OPENAPI_PATH
        text = read_template("page.html").format(
            title=escape(str(api.spec.title)),
            document=escape(_relative(path, request.path)),
            root=escape(_relative("/", request.path)),
            folder=escape(_folder(request.path)),
        )
        content = as_bytes(text)
        return Representation(content=content, media_type=HTML, headers=PAGE_HEADERS).answer(request)

    def document(self, request: Request) -> Response | None:
        """The document; None, so that the app answers 404, when there is nothing to document."""
        try:
            api = self._find_ready_api()
        except SetupError:
            return None
        if api is None or (self.openapi_path is None and _served_path(self.app, api)):
            return None
        return self._document_of(api).answer(request)

    def _find_ready_api(self) -> Any:
        """The Api; None while this app has none set up, though one was handed over: it may be another app's."""
        return self.find_api() if "flask-smorest" in self.app.extensions else None

    def _document_of(self, api: Any) -> Representation:
        """Built at the first request, and again only when views have been registered since."""
        state = (api.spec, len(self.app.view_functions))
        with self._lock:
            if self._built is None or self._built[0] != state:
                content = as_bytes(as_text(read_document(self.app, api), JSON))
                shown = Representation(content=content, media_type=DOCUMENT_MEDIA_TYPE)
                self._built = (state, shown)
            return self._built[1]


def _served_path(app: Flask, api: Any) -> str | None:
    """The path at which flask-smorest serves the document of `api` itself, if it does."""
    endpoint = f"{api._make_doc_blueprint_name()}.openapi_json"  # noqa: SLF001 - its name is said nowhere else
    if endpoint not in app.view_functions:
        return None
    return next((rule.rule for rule in app.url_map.iter_rules(endpoint) if not rule.arguments), None)


def _file_answer(name: str) -> Answer:
    return lambda request: read_file(name).answer(request)


def _folder(page: str) -> str:
    """From the page to the folder of its files, relative: `/docs` is a file in `/` to a browser, `/docs/` a folder."""
    return "./" if page.endswith("/") else f"./{posixpath.basename(page)}/"


def _relative(path: str, page: str) -> str:
    """From the page to `path`, both as the app sees them."""
    relative = posixpath.relpath(path, posixpath.dirname(page))
    return f"./{relative}/" if path.endswith("/") else f"./{relative}"


def _message(text: str, request: Request) -> Response:
    content = as_bytes(read_template("message.html").format(message=escape(text)))
    return Representation(content=content, media_type=HTML, headers=PAGE_HEADERS).answer(request, 404)
