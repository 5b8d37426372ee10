"""Conditional requests (RFC 9110, 13): `ETag`, 304 for what the client has, 412 for what somebody else has changed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from flask import Response, current_app, request
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.http import remove_entity_headers

from .._config import SetupError
from .._entity_tags import CODING, PUT_TAG_KEY, has_tag
from .._finished import finished
from .._view_arguments import FromPath
from ..declarations import Declaration, Documentation, Phase
from ..errors import NotFoundError, PreconditionFailedError, PreconditionRequiredError
from ..guard import declare

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

Target = TypeVar("Target", bound="Callable[..., Any]")

READING = frozenset({"GET", "HEAD"})
CHANGING = frozenset({"PUT", "PATCH", "DELETE"})
MATCHED_KEY = "flask_backend_patterns.matched_version"
PLAIN_VERSION = re.compile(r"[A-Za-z0-9._+:-]{1,64}")

ENTITY_TAGS = r'^(\*|(W/)?"[!#-~]+"(, (W/)?"[!#-~]+")*)$'

_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETags the client has; answered by 304 when one is current. What is no ETag is ignored.",
    "schema": {"type": "string"},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was read; answered by 412 when it is no longer current.",
    "schema": {"type": "string", "pattern": ENTITY_TAGS},
}
_ETAG = {"ETag": {"description": "The version of the resource.", "schema": {"type": "string"}}}


@dataclass(frozen=True, kw_only=True)
class Conditional(Declaration):
    """The view's responses have an ETag; requests may be conditional on it, changes must be when `match_required`."""

    phase: ClassVar[Phase] = Phase.CONDITIONAL

    version: Callable[[Any], Any] | None
    current: FromPath | None
    match_required: bool

    def error_statuses(self, method: str) -> tuple[int, ...]:
        """412 and 428, for methods that change something."""
        if method not in CHANGING:
            return ()
        return (412, 428) if self.match_required else (412,)

    def documentation(self, method: str) -> Documentation:
        """The request header and the `ETag`; and 304 for methods that read."""
        if method in READING:
            unchanged = {"304": {"description": "Not Modified", "headers": _ETAG}}
            return Documentation(
                parameters=(_IF_NONE_MATCH,), success_headers=_ETAG, operation={"responses": unchanged}
            )
        if method in CHANGING:
            headers = _ETAG if method != "DELETE" else {}
            return Documentation(
                parameters=({**_IF_MATCH, "required": self.match_required},), success_headers=headers
            )
        return Documentation(success_headers=_ETAG)

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `conditional`: `ETag`, and for methods that change something whether `If-Match` is needed."""
        if method not in CHANGING:
            return {"conditional": "ETag"}
        return {"conditional": f"If-Match {'required' if self.match_required else 'optional'}"}


def conditional(
    version: str | Callable[[Any], Any] | None = None,
    *,
    current: Callable[..., Any] | None = None,
    required: bool = True,
) -> Callable[[Target], Target]:
    """Give the view's responses a strong ETag and honour `If-None-Match` and `If-Match`.

    `version` says where the version of the resource is in what the view returns: an attribute or key, or a function of
    it; without one the ETag is what `current` gives, else a hash of the body. `current` is a function of path arguments
    that gives the version without the view (None: there is no such resource, which no `If-Match` fits): a matching `If-None-Match` is then answered by 304 before the
    view runs, without a SELECT where `current` reads a cache. PUT, PATCH and DELETE need `current` for `If-Match`:
    412 when it does not hold, 428 when it is missing (unless `required` is False). Between that check and the view's
    own write somebody may still get in: write with `WHERE version = matched_version()`, or let `current` lock the row
    (`with_for_update()`), or map the column as SQLAlchemy's `version_id_col`, whose `StaleDataError` becomes the 412.
    """
    read = _reader(version) if isinstance(version, str) else version
    return declare(
        Conditional(version=read, current=FromPath(current) if current else None, match_required=required)
    )


def matched_version() -> Any:
    """The version that `current` gave when this request's `If-Match` was compared with it; None where none was."""
    return request.environ.get(MATCHED_KEY)


def enforcer(salt: str) -> Callable[[Conditional], Generator[None, Any, Any]]:
    """The enforcer of `Conditional`; another `salt` makes all ETags new, for a deploy that changes representations."""

    def enforce(declared: Conditional) -> Generator[None, Any, Any]:
        method = request.method
        if method in CHANGING:
            _require_match(declared, salt)
        known = _known_tag(declared, salt) if method in READING else None
        if known is not None and has_tag(request.if_none_match, known):
            return _not_modified(known)
        if method in READING:
            request.environ[PUT_TAG_KEY] = partial(_put_tag, declared=declared, salt=salt, known=known)
        try:
            value = yield
        except StaleDataError:
            if method in CHANGING and request.if_match:
                raise PreconditionFailedError from None
            raise
        response = finished(value, "conditional")
        _put_tag(response, value, declared=declared, salt=salt, known=known)
        if method in READING and response.status_code == 200:  # noqa: PLR2004 - OK
            tag, _ = response.get_etag()
            if tag is not None and has_tag(request.if_none_match, tag):
                return _without_body(response)
        return response

    return enforce


def etag_of(version: Any, salt: str = "") -> str:
    """The opaque part of the ETag of a version: itself where it is short and plain, else a hash of it."""
    text = version.isoformat() if hasattr(version, "isoformat") else str(version)
    if salt:
        return hashlib.blake2b(f"{salt}\0{text}".encode(errors="surrogatepass"), digest_size=16).hexdigest()
    if PLAIN_VERSION.fullmatch(text) and not CODING.search(text):
        return text
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _require_match(declared: Conditional, salt: str) -> None:
    if declared.current is None:
        raise SetupError(
            f"@conditional on {request.method} {request.url_rule} needs current=, a function of path arguments that "
            "gives the current version; without it no If-Match can be checked."
        )
    wanted, refused = "If-Match" in request.headers, request.if_none_match
    if not wanted and not refused:
        if declared.match_required:
            raise PreconditionRequiredError
        return
    version = declared.current()
    tag = _tag(version, salt)
    if wanted and tag is None and request.method != "PUT":
        raise NotFoundError  # what it would be without the condition (RFC 9110, 13.2.1); only PUT makes what is not there
    if wanted and (tag is None or not has_tag(request.if_match, tag, strong=True)):
        raise PreconditionFailedError
    if refused and tag is not None and has_tag(refused, tag):
        raise PreconditionFailedError("The resource exists already." if refused.star_tag else None)
    if wanted:
        request.environ[MATCHED_KEY] = version


def _known_tag(declared: Conditional, salt: str) -> str | None:
    """The tag before the view runs, where somebody asks: older than the body at worst, which no change gets past."""
    if declared.current is None or (declared.version is not None and not request.if_none_match):
        return None
    return _tag(declared.current(), salt)


def _put_tag(response: Response, value: Any, *, declared: Conditional, salt: str, known: str | None) -> None:
    if response.get_etag()[0] is not None or not 200 <= response.status_code < 300:  # noqa: PLR2004 - success
        return
    made_from = None if declared.version is None else _made_from(response, value)
    if declared.version is not None and made_from is not None:
        tag = _tag(declared.version(made_from), salt)
    elif declared.current is not None:  # a hash would never equal what `If-Match` is compared with
        tag = known if declared.version is None else None
    else:
        tag = _hash(response, salt)
    if tag is not None:
        response.set_etag(tag)


def _made_from(response: Response, value: Any) -> Any:
    """What the view has returned: our blueprint keeps it, and Flask makes dicts and lists responses."""
    body = value[0] if isinstance(value, tuple) and value else value
    return body if isinstance(body, (dict, list)) else getattr(response, "backend_value", None)


def _hash(response: Response, salt: str) -> str | None:
    is_whole = response.status_code == 200 and not response.is_streamed  # noqa: PLR2004 - OK
    if request.method not in READING or not is_whole:
        return None
    return hashlib.blake2b(response.get_data(), digest_size=16, salt=_short(salt)).hexdigest()


def _short(salt: str) -> bytes:
    return hashlib.blake2b(salt.encode(), digest_size=hashlib.blake2b.SALT_SIZE).digest()


def _tag(version: Any, salt: str) -> str | None:
    return None if version is None else etag_of(version, salt)


def _not_modified(tag: str) -> Response:
    answer = current_app.response_class(status=304)
    remove_entity_headers(answer.headers)
    answer.set_etag(tag)
    return answer


def _without_body(response: Response) -> Response:
    """The 304 that stands for `response`, with all its headers but those of a body (RFC 9110, 15.4.5)."""
    answer = current_app.response_class(status=304, headers=response.headers)
    remove_entity_headers(answer.headers)
    answer.call_on_close(response.close)
    return answer


def _reader(name: str) -> Callable[[Any], Any]:
    by_attribute, by_key = attrgetter(name), itemgetter(name)
    return lambda value: by_key(value) if isinstance(value, dict) else by_attribute(value)
