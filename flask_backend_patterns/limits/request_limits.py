"""What is known of the limits of one request while it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flask import request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Request

    from .._view_arguments import FromPath
    from .protocols import Caller, Charge, Standing
    from .route_limits import Limit, RouteLimits

_ATTRIBUTE = "backend_limits"


class Outcome(NamedTuple):
    """Where a limit stood when this request was counted; `standing` is None where another one refused before it was asked."""

    limit: Limit
    standing: Standing | None


class RequestLimits:
    """Of one request, or (`environ` None) of one block outside of any.

    `outcomes` are the decisions so far. `refused_for` are the seconds that a refusal holds, None where nothing was
    refused. `is_plain` says that all that counted is the route and who calls: no function had a say.
    """

    __slots__ = (
        "_caller",
        "_has_caller",
        "_identify",
        "arguments",
        "decided",
        "environ",
        "is_plain",
        "outcomes",
        "pending",
        "refused_for",
        "route",
    )

    def __init__(
        self,
        environ: dict[str, Any] | None,
        route: RouteLimits,
        identify: Callable[[], Caller | None],
    ) -> None:
        self.environ = environ
        self.route = route
        self.outcomes: list[Outcome] = []
        self.refused_for: float | None = None
        self.is_plain = True
        # What functions of the user are called with; None: with the path's arguments.
        self.arguments: Mapping[str, Any] | None = {} if environ is None else None
        # Charges that wait for authentication, None when there are none; and whether the route's limits are decided.
        self.pending: list[tuple[Limit, Charge]] | None = None
        self.decided = False
        self._identify = identify
        self._caller: Caller | None = None
        self._has_caller = environ is None

    def value_of(self, function: FromPath) -> Any:
        """What a function of the user gives."""
        return function() if self.arguments is None else function.given(self.arguments)

    def caller(self) -> Caller | None:
        """Who is authenticated; None for anybody else, and where that cannot be told."""
        if not self._has_caller:
            self._caller, self._has_caller = self._found(), True
        return self._caller

    def _found(self) -> Caller | None:
        try:
            return self._identify()
        except Exception:  # noqa: BLE001 - the view may be for everybody; where it is not, authentication fails by itself
            return None


def limits_of(asked: Request) -> RequestLimits | None:
    """Those of a request that something has been decided about."""
    found: RequestLimits | None = vars(asked).get(_ATTRIBUTE)
    return found


def keep(asked: Request, current: RequestLimits) -> RequestLimits:
    """Have `limits_of` find `current`; returns it."""
    vars(asked)[_ATTRIBUTE] = current
    return current


def current_request() -> Request:
    """The request itself, without its proxy."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
    return found
