"""Compression by Flask-Compress, asked only about responses large enough to be worth it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import request
from flask_compress import Compress

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

REGISTER = "COMPRESS_REGISTER"
# `gzip;q=0` means anything but gzip (RFC 9110 12.4.2); Flask-Compress reads it as a wish
REFUSAL = re.compile(r"(zstd|br|gzip|deflate)\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)


def compress_large(app: Flask) -> Callable[[Response], Response]:
    """A last step for each response; the app's `COMPRESS_*` settings apply, streams only where they say so.

    Flask-Compress would compress streams and files by default, which holds back a stream's lines, and partial content,
    whose ranges count the bytes before compression.
    """
    with_streams = bool(app.config.get("COMPRESS_STREAMS", False))
    compress = _unregistered(app)
    smallest: int = app.config["COMPRESS_MIN_SIZE"]

    def compress_response(response: Response) -> Response:
        body = response.response
        if type(body) is list:  # the common case first, in the fewest steps
            if sum(map(len, body)) < smallest:
                return response
        elif not with_streams and (response.direct_passthrough or response.is_streamed):
            return response
        if "Content-Range" in response.headers or response.cache_control.no_transform:
            return response
        lines = response.headers.getlist("Vary")
        if len(lines) > 1:
            response.headers["Vary"] = ", ".join(lines)  # Flask-Compress would keep the first line only
        if REFUSAL.search(request.headers.get("Accept-Encoding", "")):
            response.vary.add("Accept-Encoding")
            return response
        return compress.after_request(response)

    return compress_response


def _unregistered(app: Flask) -> Compress:
    """A `Compress` with the app's settings that has no hook; another one of the app's own keeps its hook."""
    before = {REGISTER: app.config[REGISTER]} if REGISTER in app.config else {}
    app.config[REGISTER] = False
    compress = Compress(app)
    del app.config[REGISTER]
    app.config.update(before)
    return compress
