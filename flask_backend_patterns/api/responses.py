"""Turns what a view returns into the response: dumped, enveloped, with status, `Location` and `Link`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import orjson
from flask import current_app, request
from flask.json.provider import DefaultJSONProvider
from flask_smorest.utils import unpack_tuple_response
from webargs.core import is_json
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as BaseResponse

from .._config import SetupError
from .._finished import responding
from .json_response import response_class_of
from .links import link_header
from .negotiation import JSON_TYPE, require_acceptable
from .paging import Paged
from .view_table import record_of

if TYPE_CHECKING:
    from flask import Flask, Request, Response

    from .dumping import DumpPlan
    from .format import Format

# As Flask's own provider writes them: dates and dataclasses by its `default`.
OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
TOTAL_COUNT = "X-Total-Count"
NO_CONTENT = int(HTTPStatus.NO_CONTENT)
# Those that are set here; of others a view may add as many as it likes.
SINGLE_HEADERS = ("Content-Type", "Location")


@dataclass(frozen=True, kw_only=True)
class SuccessResponse:
    """What `@blp.response` declares.

    `dump` is None when the view's value is sent as it is, `prepare` makes the body of the dump, `location` makes the URL for `Location` from that value.
    """

    status: int
    dump: DumpPlan | None = None
    many: bool = False
    location: Callable[[Any], str] | None = None
    content_type: str = JSON_TYPE
    prepare: Callable[[Any], Any] | None = None

    @cached_property
    def is_json(self) -> bool:
        """Whether values are written as JSON, `application/*+json` too; else views return what Flask can send."""
        return is_json(self.content_type)

    def make(self, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Response:
        """Call `view` and make its response; refuses clients that would not take it before the view does anything."""
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        if self.status != NO_CONTENT:
            require_acceptable(asked, self.content_type)
        token = responding.set(True)
        try:
            value, status, headers = unpack_tuple_response(view(*args, **kwargs))
        finally:
            responding.reset(token)
        if isinstance(value, BaseResponse):
            return _with(cast("Response", value), status, headers)
        response = self._body(value, asked)
        if self.location is not None:
            response.headers["Location"] = self.location(value)
        return _with(response, status, headers)

    def _body(self, value: Any, asked: Request) -> Response:
        if self.status == NO_CONTENT:
            response = current_app.response_class(status=self.status)
            del response.headers["Content-Type"]
            return response
        if not self.is_json:
            response = current_app.make_response((value, self.status))
            response.content_type = self.content_type
            return response
        wanted = record_of(asked).format
        if isinstance(value, Paged):
            return self._page(value, wanted)
        if type(value) is list and not self.many and self.dump is not None and self.dump.is_compiled:
            raise SetupError(
                f"{asked.endpoint} returned a list, of which a schema for one dumps nothing; "
                "say @blp.response(200, Schema(many=True)), or page it with @blp.paginate."
            )
        body = dumped = value if self.dump is None else self.dump(value, many=self.many)
        if self.prepare is not None:
            body = self.prepare(dumped)
        if wanted.envelope:
            body = {wanted.key_for(many=self.many): body}
        response = json_response(body, self.status, self.content_type)
        # Who looks at the response further out may want the value it was made from (`@conditional`, `@blp.etag`).
        response.backend_value = value  # type: ignore[attr-defined]
        response.backend_dump = dumped  # type: ignore[attr-defined]
        return response

    def _page(self, page: Paged, wanted: Format) -> Response:
        items = page.items if self.dump is None else self.dump(page.items, many=True)
        response = json_response(in_envelope(items, page.meta, wanted), self.status, self.content_type)
        links = link_header(request, page.links)
        if links:
            response.headers["Link"] = links
        if not wanted.envelope and "total" in page.meta:
            response.headers[TOTAL_COUNT] = str(page.meta["total"])
        return response


def in_envelope(items: Any, meta: Mapping[str, Any], wanted: Format) -> Any:
    """A page's body: items and page fields where, and under the names that, the format says."""
    if not wanted.envelope:
        return items
    fields = wanted.page_fields(meta)
    body = {wanted.key_for(many=True): items}
    return body | (fields if wanted.meta_key is None else {wanted.meta_key: fields})


def json_response(body: Any, status: int, content_type: str = JSON_TYPE) -> Response:
    """`body` as the app's own JSON provider would write it, by orjson where that gives an equal value."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    return response_class_of(app)(encode(app, body), status=status, content_type=content_type)


def _with(response: Response, status: int | str | None, headers: Any) -> Response:
    """With the status and headers of a view's tuple; its `Location` and `Content-Type` replace those here."""
    if headers:
        given = Headers(headers)
        for name in SINGLE_HEADERS:
            if name in given:
                response.headers.pop(name, None)
        response.headers.extend(given)
    if isinstance(status, int):
        response.status_code = status
    elif status is not None:
        response.status = status
    return response


def encode(app: Flask, body: Any) -> bytes:
    """JSON for `body`; an app with a JSON provider of its own gets that provider's."""
    provider = app.json
    if type(provider) is DefaultJSONProvider and provider.default is DefaultJSONProvider.default:
        try:
            return orjson.dumps(body, default=provider.default, option=OPTIONS)
        except (
            TypeError
        ):  # a number beyond 64 bits, half a surrogate pair; or nothing that JSON has, said below
            return provider.dumps(body).encode()
    return provider.dumps(body).encode()
