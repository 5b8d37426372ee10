"""Bytes as they go over the wire: with a validator, and compressed for who wants it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Request

SMALLEST_TO_COMPRESS_BYTES = 1_000  # less does not save a packet


@dataclass(frozen=True, kw_only=True)
class Representation:
    """`content` of one media type, and `headers` of its own; made once, answered often, by any thread.

    Its strong ETag (RFC 9110, 8.8.3) is made from the bytes sent, so the compressed form has another. `no-cache` means that a client
    asks again each time, and a new release shows at once; what is unchanged costs a 304.
    """

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, request: Request, status: int = HTTPStatus.OK) -> Response:
        """The response to a GET or HEAD of it: 200, or 304 when the client has it already."""
        is_large = len(self.content) >= SMALLEST_TO_COMPRESS_BYTES
        compress = is_large and request.accept_encodings.quality("gzip") > 0
        response = Response(self._gzipped if compress else self.content, status, content_type=self.media_type)
        response.headers.extend(self.headers)
        response.headers["Cache-Control"] = "no-cache"
        if is_large:
            response.headers["Vary"] = "Accept-Encoding"
        if compress:
            response.headers["Content-Encoding"] = "gzip"
        response.set_etag(self._gzipped_tag if compress else self._tag)
        if status == HTTPStatus.OK:
            response.make_conditional(request.environ)
        return response

    @cached_property
    def _gzipped(self) -> bytes:
        return gzip.compress(self.content, mtime=0)

    @cached_property
    def _tag(self) -> str:
        return _digest(self.content)

    @cached_property
    def _gzipped_tag(self) -> str:
        return _digest(self._gzipped)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
