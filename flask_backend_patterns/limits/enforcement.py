"""Decides the limits of requests: all of a route in one step, whoever of its declarations comes first."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flask import has_request_context, request

from .._after_fork import reset_in_children
from .._called_with import CALLED_WITH
from ..errors import RateLimitError
from .declaration import AddressRateLimit, RateLimit, shown_rate
from .front import REFUSED_KEY, Refused
from .protocols import Standing
from .request_limits import Outcome, RequestLimits, current_request, keep, limits_of
from .route_limits import Policy, RouteLimits

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from flask import Flask, Request

    from .._contribution import EventLog
    from ..declarations import Declaration
    from ..guard import Enforcer
    from .keys import CallerKeys
    from .protocols import Charge, Windows
    from .refusals import Refusals
    from .route_limits import Limit, RouteReader

    Due: TypeAlias = list[tuple[Limit, Charge]]

NO_ROUTE: Final = RouteLimits()
MAX_TOLD: Final = 10_000
MAX_ALONE: Final = 1_000
MAX_LINES: Final = 20
MINUTE: Final = 60.0


class Enforcement:
    """For one app; shared by threads. `is_away` says whether Redis is, so that counts are this process's alone.

    `is_shared` says that there is a Redis at all.
    """

    def __init__(  # noqa: PLR0913 - its parts, keyword only
        self,
        app: Flask,
        *,
        reader: RouteReader,
        keys: CallerKeys,
        windows: Windows,
        refusals: Refusals,
        is_away: Callable[[], bool],
        is_shared: bool,
        log: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._reader = reader
        self._identify = keys.identify
        self._windows = windows
        self._refusals = refusals
        self._is_away = is_away
        self._clock = clock
        self._log = log
        self._has_to_tell = not is_shared
        self._told = _Told(log, clock)
        self._routes: dict[tuple[str, str], RouteLimits] = {}
        # Those of functions and blocks. Emptied when it is full: a block may make a new declaration each time.
        self._alone: dict[RateLimit, Policy] = {}

    def by_kind(self) -> dict[type[Declaration], Enforcer]:
        """The enforcers."""
        return {AddressRateLimit: self.before_authentication, RateLimit: self.after_authentication}

    def before_authentication(self, declared: RateLimit) -> Generator[None, Any, Any]:
        """Where nothing waits for authentication decide, else look whether a refusal is known, and decide with the rest.

        Requests that do not get so far are counted when they are on their way out.
        """
        current = self._current()
        if id(declared) not in current.route.own:
            self._decide_alone(current, declared, _arguments_of(declared))
            return
        if current.decided:
            return
        if not current.route.after:
            self.decide_route(current)
            return
        self._look(current)
        try:
            response = yield
        except Exception as error:
            if not current.decided:
                self._decide_waiting(current, error)
            raise
        if not current.decided:
            self._count_waiting(current)
        return response

    def after_authentication(self, declared: RateLimit) -> None:
        """Decide all limits of the route, unless that is done."""
        current = self._current()
        if id(declared) not in current.route.own:
            self._decide_alone(current, declared, _arguments_of(declared))
        elif not current.decided:
            self.decide_route(current)

    def decide_block(self, declared: RateLimit) -> None:
        """The limit of a block of code, in a request or outside of any. Raises `RateLimitError`."""
        self._decide_alone(self._current(), declared)

    def decide_default(self) -> None:
        """What the settings say about the route being served; declared limits come later, on the view."""
        asked = current_request()
        if asked.url_rule is None:
            return
        route = self._route_of(asked)
        if route.default:
            current = limits_of(asked) or keep(asked, RequestLimits(asked.environ, route, self._identify))
            self._decide(current, _charges(current, route.default))

    def decide_route(self, current: RequestLimits) -> None:
        """All that is declared on the route."""
        route, due, after = current.route, current.pending, current.route.after
        if due is None:
            due = self._gather(current, route.before, [])
        # Who fails to authenticate does not come to the limits by identity: the 401 follows
        if after and route.is_for_known and current.caller() is None:
            after = tuple(policy for policy in after if not policy.is_by_identity)
        self._gather(current, after, due)
        current.decided, current.pending = True, None
        self._decide(current, due)

    def _current(self) -> RequestLimits:
        try:
            asked = current_request()
        except RuntimeError:  # there is none: a job, or a script
            return RequestLimits(None, NO_ROUTE, self._identify)
        return limits_of(asked) or keep(
            asked, RequestLimits(asked.environ, self._route_of(asked), self._identify)
        )

    def _route_of(self, asked: Request) -> RouteLimits:
        rule = asked.url_rule
        if rule is None:
            return NO_ROUTE
        endpoint, method = rule.endpoint, asked.method
        view = self._app.view_functions.get(endpoint)
        known = self._routes.get((endpoint, method))
        if known is None or known.view is not view:
            known = self._routes[endpoint, method] = self._reader.route(endpoint, method, view)
        return known

    def _decide_alone(
        self, current: RequestLimits, declared: RateLimit, arguments: Mapping[str, Any] | None = None
    ) -> None:
        if current.environ is not None and not declared.counts(current.environ["REQUEST_METHOD"]):
            return
        policy = self._alone.get(declared)
        if policy is None:
            if len(self._alone) >= MAX_ALONE:
                self._alone = {}
            policy = self._alone[declared] = self._reader.alone(declared)
        current.is_plain = False  # whether it is come to is for the code around it to say
        before = current.arguments
        if arguments is not None:
            current.arguments = arguments
        try:
            due = _charges(current, (policy,))
        finally:
            current.arguments = before
        self._decide(current, due)

    def _look(self, current: RequestLimits) -> None:
        if current.pending is None:
            current.pending = self._gather(current, current.route.before, [])
            self._refuse_known(current, current.pending)

    def _gather(self, current: RequestLimits, policies: Iterable[Policy], due: Due) -> Due:
        """`due`, with what all of `policies` want; where a function of the user fails, the others count all the same."""
        failure: Exception | None = None
        for policy in policies:
            try:
                policy.add_charges(current, due)
            except Exception as error:  # noqa: BLE001 - it goes on below
                failure = failure or error
        if failure is not None:
            current.pending = due
            self._decide_waiting(current, failure)
            raise failure
        return due

    def _decide_waiting(self, current: RequestLimits, error: Exception) -> None:
        """Who is not let in has made a request all the same; too many of them, and that is what they are told."""
        due, current.decided, current.pending = current.pending or [], True, None
        try:
            self._decide(current, due)
        except RateLimitError as refusal:
            raise refusal from error

    def _count_waiting(self, current: RequestLimits) -> None:
        """Something has answered without going on; that answer stands."""
        due, current.decided, current.pending = current.pending or [], True, None
        if due:
            self._note(current, due, self._windows.charge([charge for _, charge in due]))

    def _decide(self, current: RequestLimits, due: list[tuple[Limit, Charge]]) -> None:
        if not due:
            return
        if self._has_to_tell:
            self._tell_of_processes()
        self._refuse_known(current, due)
        standings = self._windows.charge([charge for _, charge in due])
        if self._note(current, due, standings):
            raise _refusal(current)

    def _tell_of_processes(self) -> None:
        """At the first request that is counted, unless somebody is only trying the app out."""
        self._has_to_tell = False
        if not (self._app.debug or self._app.testing):
            self._log.warning(
                "limits_per_process",
                hint="Each process counts for itself, so callers get each limit once for every process. "
                "Set BACKEND_REDIS_URL to count them together.",
            )

    def _refuse_known(self, current: RequestLimits, due: Sequence[tuple[Limit, Charge]]) -> None:
        """Refuse at once what nothing can have made room for since it was refused."""
        seconds_of = self._refusals.retry_seconds
        for limit, charge in due:
            seconds = seconds_of(charge.key, charge.cost)
            if seconds > 0:
                known = Standing(is_allowed=False, remaining=0, reset_seconds=seconds, retry_seconds=seconds)
                current.outcomes += [Outcome(other, known if other is limit else None) for other, _ in due]
                limit.decisions.refused()
                self._note_refusal(current, [(limit, charge)], seconds)
                raise _refusal(current)

    def _note(
        self,
        current: RequestLimits,
        due: Sequence[tuple[Limit, Charge]],
        standings: Sequence[Standing],
    ) -> bool:
        """Keep what was decided for the headers, the metric and the next requests; whether it was a refusal."""
        refused = []
        seconds, is_stopgap, never_fits = 0.0, False, False
        for (limit, charge), standing in zip(due, standings, strict=True):
            current.outcomes.append(Outcome(limit, standing))
            if not standing.is_allowed:
                refused.append((limit, charge))
                seconds = max(seconds, standing.retry_seconds)
                is_stopgap = is_stopgap or standing.is_stopgap
                is_too_much = charge.cost > charge.amount
                never_fits = never_fits or is_too_much
                if not standing.is_stopgap and not is_too_much:
                    self._refusals.note(charge.key, charge.cost, standing.retry_seconds)
                limit.decisions.refused()
                self._told.tell(limit, charge)
        if refused:
            current.is_plain = current.is_plain and not is_stopgap
            self._note_refusal(current, refused, seconds)
            if never_fits:
                current.refused_for = None
            return True
        is_away = self._is_away()
        for limit, _ in due:
            (limit.decisions.fallback if is_away else limit.decisions.allowed)()
        return False

    def _note_refusal(
        self, current: RequestLimits, refused: Sequence[tuple[Limit, Charge]], seconds: float
    ) -> None:
        """Say for how long it holds, and to the front (see `front.py`) that it holds for each request like this one."""
        current.refused_for = seconds
        if current.is_plain and current.environ is not None:
            current.environ[REFUSED_KEY] = Refused(
                keys=tuple([charge.key for _, charge in refused]),
                until=self._clock() + seconds,
                count=refused[0][0].decisions.refused,
                is_by_address=all(outcome.limit.is_by_address for outcome in current.outcomes),
            )


class _Told:
    """Logs one `rate_limited` for a caller and window, and at most `MAX_LINES` for a limit in a minute.

    What is told is forgotten when there is too much of it. Those held back are counted in the next line.
    """

    def __init__(self, log: EventLog, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._until: dict[str, float] = {}
        # A limit's name -> when its minute is over, how many lines it had in it, and how many were held back.
        self._lines: dict[str, tuple[float, int, int]] = {}
        self._lock = threading.Lock()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def tell(self, limit: Limit, charge: Charge) -> None:
        """`charge` was refused by `limit`."""
        now = self._clock()
        with self._lock:
            if self._until.get(charge.key, 0.0) > now:
                return
            if len(self._until) >= MAX_TOLD:
                self._until.clear()
            self._until[charge.key] = now + limit.rate.window_seconds
            held_back = self._next_line(limit.name, now)
        if held_back is None:
            return
        fits = charge.cost <= charge.amount
        more: dict[str, Any] = {"callers_not_shown": held_back} if held_back else {}
        if not fits:
            more |= {"cost": charge.cost, "hint": "A request of this cost is never let through."}
        self._log.warning(
            "rate_limited",
            policy=limit.name,
            limit=shown_rate(limit.rate),
            caller=charge.key.removeprefix(limit.prefix),
            **more,
        )

    def _next_line(self, name: str, now: float) -> int | None:
        """How many were held back before this one; None where this one is too."""
        ends, count, held_back = self._lines.get(name, (0.0, 0, 0))
        if now >= ends:
            ends, count = now + MINUTE, 0
        if count >= MAX_LINES:
            self._lines[name] = (ends, count, held_back + 1)
            return None
        self._lines[name] = (ends, count + 1, 0)
        return held_back


def _arguments_of(declared: RateLimit) -> Mapping[str, Any] | None:
    """What the function that `declared` is on was called with, by name, beside the path's arguments; None if nobody asks."""
    if not declared.takes_arguments:
        return None
    function, args, kwargs = CALLED_WITH.get()
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:  # the call itself will say what is wrong with it
        return None
    bound.apply_defaults()
    in_path = request.view_args if has_request_context() else None
    return {**(in_path or {}), **bound.arguments}


def _charges(current: RequestLimits, policies: Sequence[Policy]) -> list[tuple[Limit, Charge]]:
    due: list[tuple[Limit, Charge]] = []
    for policy in policies:
        policy.add_charges(current, due)
    return due


def _refusal(current: RequestLimits) -> RateLimitError:
    said = [
        limit.said for limit, standing in current.outcomes if standing is not None and not standing.is_allowed
    ]
    if current.refused_for is not None:
        return RateLimitError(details=said, retry_after=current.refused_for)
    error = RateLimitError("This request weighs more than is let through at all.", details=said)
    del error.headers["Retry-After"]  # it would be refused again
    return error
