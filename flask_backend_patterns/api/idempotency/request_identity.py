"""What makes two requests the same one: key, caller, route, and the fingerprint of all that was sent."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from .declaration import KEY_HEADER, MAX_KEY_LENGTH
from .refusals import malformed_key

if TYPE_CHECKING:
    from flask import Request

# RFC 8941, 3.3.3: a string in quotes, where only the quote and the backslash are escaped.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
# What many clients send: the bare key. Commas would stand between several headers, the others belong to RFC 8941.
_BARE = re.compile(r"[!#-+\--:<-\[\]-~]+")


def read_key(request: Request) -> str | None:
    """The client's key, without quotes; None without the header. Raises `BadRequestError` when it holds no key."""
    sent = request.headers.get(KEY_HEADER)
    if sent is None:
        return None
    text = sent.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        raise malformed_key()
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise malformed_key()
    return key


def scoped_key(request: Request, *, app: str, caller: str, key: str) -> str:
    """The key within app (several may share a store), caller, method, route and path, as 64 hexadecimal digits."""
    rule = request.url_rule
    arguments = sorted((name, str(value)) for name, value in (request.view_args or {}).items())
    scope = [
        app,
        caller,
        request.method,
        (rule.subdomain or rule.host or "", rule.rule) if rule else None,
        request.root_path + request.path,
        arguments,
        key,
    ]
    return hashlib.sha256(json.dumps(scope).encode()).hexdigest()


def fingerprint(request: Request) -> str:
    """Method, path, query, media type and body as 64 hexadecimal digits; the body stays readable.

    The boundary of a multipart body is left out, since clients make a new one up each time they send.
    """
    head = [request.method, request.root_path + request.path, request.query_string.decode("latin-1")]
    digest = hashlib.sha256(json.dumps([*head, request.mimetype]).encode())
    if _was_parsed_unread(request):
        _add_form(digest, request)
    body = request.get_data(cache=True)
    boundary = request.mimetype_params.get("boundary")
    if boundary and request.mimetype.startswith("multipart/"):
        body = body.replace(boundary.encode("latin-1", "replace"), b"")
    digest.update(body)
    return digest.hexdigest()


def _was_parsed_unread(request: Request) -> bool:
    """Whether code before us had the form parsed from the stream, which leaves no bytes of a form to read."""
    return "form" in vars(request) and getattr(request, "_cached_data", None) is None


def _add_form(digest: hashlib._Hash, request: Request) -> None:
    for name, text in request.form.items(multi=True):
        digest.update(json.dumps([name, text]).encode())
    for name, upload in request.files.items(multi=True):
        digest.update(json.dumps([name, upload.filename, upload.mimetype]).encode())
        digest.update(hashlib.file_digest(upload.stream, "sha256").digest())  # type: ignore[arg-type]  # an open file
        upload.stream.seek(0)
