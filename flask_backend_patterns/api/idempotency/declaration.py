"""`@idempotent`: what it says about a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from ..._config import SetupError
from ...declarations import Declaration, Documentation, Phase
from ...guard import declare
from .settings import STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Target = TypeVar("Target", bound=Callable[..., Any])

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
METHODS: Final = frozenset({"POST", "PATCH"})
MAX_KEY_LENGTH: Final = 255
# A string in quotes (RFC 8941, 3.3.3), or what many clients send: the bare key.
KEY_PATTERN: Final = r"""^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--:<-\[\]-~]{1,255})$"""


@dataclass(frozen=True, kw_only=True)
class Idempotent(Declaration):
    """The view runs once for each idempotency key; a repeated request gets the stored answer.

    `key_required` False lets requests without a key through unprotected. `ttl_seconds` and `store` (`database`,
    `redis`) stand for the settings of the same name where they are not None.
    """

    phase: ClassVar[Phase] = Phase.IDEMPOTENCY
    statuses: ClassVar[tuple[int, ...]] = (400, 409, 422)

    key_required: bool = True
    ttl_seconds: int | None = None
    store: str | None = None

    def documentation(self, method: str) -> Documentation:
        """The header of the request, and that of a replayed response."""
        if method not in METHODS:
            return Documentation()
        parameter = {
            "name": KEY_HEADER,
            "in": "header",
            "required": self.key_required,
            "description": "Chosen by the client, one for each operation; send the same one again to repeat it safely.",
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        }
        header = {
            "description": "`true` when this is the stored answer to an earlier request with the same key.",
            "schema": {"type": "string", "enum": ["true"]},
        }
        return Documentation(parameters=[parameter], success_headers={REPLAYED_HEADER: header})

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `idempotency`: whether a key is needed, and what differs from the settings."""
        if method not in METHODS:
            return {}
        kept = "" if self.ttl_seconds is None else f", kept {self.ttl_seconds} s"
        stored = "" if self.store is None else f", in {self.store}"
        return {"idempotency": f"key {'required' if self.key_required else 'optional'}{kept}{stored}"}


def idempotent(
    *, required: bool = True, ttl_seconds: int | None = None, store: str | None = None
) -> Callable[[Target], Target]:
    """Run the view once for each `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header); POST and PATCH only.

    The key counts within caller, method and path. A repeated request gets the stored response, byte for byte, with
    `Idempotency-Replayed: true`; 400 when the key is missing (unless `required` is False) or no key at all, 409 while
    the first request is at work, 422 when the request is another one. With the `database` store the view is one
    transaction, committed together with its result: see docs/idempotency.md. Raises `SetupError` for wrong options.
    """
    if ttl_seconds is not None and ttl_seconds < 1:
        raise SetupError(f"idempotent(ttl_seconds={ttl_seconds!r}): expected at least 1 second.")
    if store is not None and store not in STORES:
        raise SetupError(f"idempotent(store={store!r}): expected one of {', '.join(map(repr, STORES))}.")
    return declare(Idempotent(key_required=required, ttl_seconds=ttl_seconds, store=store))
