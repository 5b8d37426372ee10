"""The key of the entry that answers a request: two requests share one only when all that is declared is equal."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from ..._config import SetupError
from ..keys import UnstableKeyError, bounded, stable_text
from .vary import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Request

    from .naming import PathNaming
    from .vary import Vary

PREFIX: Final = "view:"
DIGEST_BYTES: Final = 16
ANYTHING: Final = "*/*"
OF_BODY: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class RequestKey:
    """Makes the keys of one view's entries; `find_actor` gives who sends the request.

    A key is `view:<endpoint>:<digest>`, or with `key=` `view:<endpoint>:<what it says>:<digest>`, so that entries can
    be invalidated by a prefix.
    """

    def __init__(self, endpoint: str, vary: Vary, naming: PathNaming, find_actor: Callable[[], Any]) -> None:
        self._endpoint = endpoint
        self._vary = vary
        self._naming = naming
        self._find_actor = find_actor
        self._prefix = f"{PREFIX}{endpoint}:"
        self._header_keys = tuple(_environ_key(name) for name in vary.headers)
        self._is_plain = vary.identity in {Identity.UNSAID, Identity.SHARED} and not (
            vary.headers or vary.cookies or vary.functions
        )

    def of(self, request: Request) -> str:
        """The key for `request`. Raises `AppError` for credentials that do not count."""
        environ = request.environ
        named = self._naming.key_of(request.view_args or {})
        accept = environ.get("HTTP_ACCEPT") or ANYTHING
        # Plain tuples of texts: `repr` tells any two of them apart, whatever is in the texts.
        parts = (
            self._endpoint,
            environ["wsgi.url_scheme"],
            environ.get("HTTP_HOST", "").lower() or (environ["SERVER_NAME"], environ["SERVER_PORT"]),
            environ.get("SCRIPT_NAME", ""),
            (environ.get("PATH_INFO", ""), self._query(request)) if named is None else named,
            accept,
            () if self._is_plain else self._differences(request, environ),
        )
        digest = hashlib.blake2b(repr(parts).encode(), digest_size=DIGEST_BYTES).hexdigest()
        return bounded(f"{self._prefix}{digest}" if named is None else f"{self._prefix}{named}:{digest}")

    def _query(self, request: Request) -> Any:
        """Every parameter that counts, by name; the values of one stay in their order."""
        if not request.environ.get("QUERY_STRING"):
            return ()
        counted = self._vary.query
        lists = request.args.lists()
        return tuple(sorted((name, *values) for name, values in lists if counted is None or name in counted))

    def _differences(self, request: Request, environ: Mapping[str, Any]) -> Any:
        vary = self._vary
        return (
            self._identity(),
            tuple(environ.get(key) for key in self._header_keys),
            tuple(tuple(request.cookies.getlist(name)) for name in vary.cookies),
            tuple(self._stable(function()) for function in vary.functions),
        )

    def _identity(self) -> Any:
        """Who asks, with what the answer can depend on beside the id: roles change, and credentials have scopes."""
        identity = self._vary.identity
        if identity in {Identity.UNSAID, Identity.SHARED}:
            return None
        actor = self._find_actor()
        scopes = None if actor.scopes is None else tuple(sorted(map(str, actor.scopes)))
        who = (
            (str(actor.id), actor.is_authenticated) if identity is Identity.ACTOR else actor.is_authenticated
        )
        return who, tuple(sorted(map(str, actor.roles))), scopes

    def _stable(self, value: Any) -> str:
        try:
            return stable_text(value)
        except UnstableKeyError as error:
            raise SetupError(
                f"A function in vary_on of {self._endpoint} returned what cannot be part of a key: {error}; "
                "return a text, a number, or a tuple of them."
            ) from None


def _environ_key(header: str) -> str:
    """Where a header stands in the environment (RFC 3875, 4.1): two have names of their own."""
    name = header.upper().replace("-", "_")
    return name if name in OF_BODY else f"HTTP_{name}"
