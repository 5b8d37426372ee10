"""The response that carries a dumped value: JSON that is all there before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

# Werkzeug makes URLs of these when it sends them.
REWRITTEN: Final = frozenset({"location", "content-location"})
FIRST_FINAL: Final = 200
WITHOUT_BODY: Final = (204, 304)


class Body(list[bytes]):
    """The chunks of a response, and what the server is to call at the end."""

    __slots__ = ("close",)

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
        super().__init__(chunks)
        self.close = close


class JSONResponse(Response):
    """Flask's own, sent as it is where Werkzeug would change nothing.

    The copy of the headers that it works on, and its iterators over what is one chunk, cost 10 us a request.
    """

    def get_wsgi_response(
        self, environ: dict[str, Any]
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """The body, the status and the headers."""
        headers, code = self.headers, self.status_code
        if type(headers) is Headers and code >= FIRST_FINAL and code not in WITHOUT_BODY:
            sent = headers.to_wsgi_list()
            names = {name.lower() for name, _ in sent}
            if "content-length" in names and names.isdisjoint(REWRITTEN):
                return self._body(environ), self.status, sent
        return super().get_wsgi_response(environ)

    def _body(self, environ: dict[str, Any]) -> Iterable[bytes]:
        if type(self.response) is not list or self.direct_passthrough or environ["REQUEST_METHOD"] == "HEAD":
            return self.get_app_iter(environ)
        return Body(self.iter_encoded(), self.close)


def response_class_of(app: Flask) -> type[Response]:
    """What JSON responses of `app` are: the app's own class where it has one."""
    return JSONResponse if app.response_class is Response else app.response_class
