"""Merges the declarations on a view into one guard and runs them in the one right order.

The wrapper itself enforces; nothing depends on an attribute that another decorator might lose. Adjacent decorators of
ours become one guard. With a foreign decorator in between there are two guards, each enforcing its own declarations.
"""

from __future__ import annotations

import functools
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast
from weakref import ref

from flask import current_app, request
from flask.views import MethodView, View

from ._called_with import CALLED_WITH
from ._config import SetupError
from ._covering import held_by, note_over
from ._enforcers import function_of
from ._state import state_of
from .declarations import Declaration, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ._state import State

Target = TypeVar("Target", bound="Callable[..., Any]")
P = ParamSpec("P")
R = TypeVar("R")

# A check returns None to go on, or a response to answer at once; it raises an `AppError` to refuse.
Check: TypeAlias = "Callable[[Any], Any]"
# An around-enforcer is a generator function: it yields once to run what comes after it, gets the response as the
# value of that `yield` (or the exception raised there), and returns the response to send.
Around: TypeAlias = "Callable[[Any], Generator[None, Any, Any]]"
Enforcer: TypeAlias = "Check | Around"
Step: TypeAlias = "tuple[Enforcer, Declaration, bool]"
Plan: TypeAlias = "tuple[Step, ...]"

DECLARED = "__backend_declared__"
REGISTERED = "__backend_registered__"


class Guard:
    """A view, its declarations in order, and the wrapper that stands in the view's place.

    `is_routed` is set when an app is found to have a route to the wrapper: see `_bypassed`.
    """

    __slots__ = ("declarations", "is_routed", "takes_arguments", "view", "wrapper")

    def __init__(self, view: Callable[..., Any], declarations: tuple[Declaration, ...]) -> None:
        self.view = view
        self.declarations = in_order(declarations)
        self.takes_arguments = any(item.takes_arguments for item in self.declarations)
        self.wrapper = self._wrap_async(view) if inspect.iscoroutinefunction(view) else self._wrap(view)
        self.wrapper.__backend_guard__ = self  # type: ignore[attr-defined]  # a function's own dict
        self.is_routed = False
        note_over(view, self)

    def _wrap(self, view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            entered: list[Generator[None, Any, Any]] = []
            try:
                if self.takes_arguments:
                    CALLED_WITH.set((view, args, kwargs))
                response = _enter(self._plan(), entered)
                if response is None:
                    response = view(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - handed to the enforcers, which raise it again
                return cast("R", _leave_failed(entered, error))
            except BaseException:
                _close(entered)
                raise
            return cast("R", _leave(entered, response))

        return guarded

    def _wrap_async(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            entered: list[Generator[None, Any, Any]] = []
            try:
                if self.takes_arguments:
                    CALLED_WITH.set((view, args, kwargs))
                response = _enter(self._plan(), entered)
                if response is None:
                    response = await view(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - handed to the enforcers, which raise it again
                return _leave_failed(entered, error)
            except BaseException:
                _close(entered)
                raise
            return _leave(entered, response)

        return guarded

    def _plan(self) -> Plan:
        try:
            state = state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - the proxy is slow
        except RuntimeError:
            raise SetupError(
                f"{_declared(self)}, so it needs an app context: call it under `with app.app_context():`."
            ) from None
        if state is None:
            raise SetupError(
                f"The view {_declared(self)}, but this app has no BackendPatterns; "
                "call BackendPatterns().init_app(app) where the app is made."
            )
        plan = state.plans.get(self)
        if plan is None:
            plan = state.plans[self] = self._compile(state)
        return plan

    def _compile(self, state: State) -> Plan:
        steps: list[Step] = []
        for declaration in self.declarations:
            enforcer = state.enforcers.get(type(declaration))
            if enforcer is not None:
                steps.append((enforcer, declaration, inspect.isgeneratorfunction(function_of(enforcer))))
            elif declaration.required:
                raise SetupError(
                    f"Nothing enforces {type(declaration).__name__} on the view {_name(self.view)}: its feature "
                    "is switched off, or BackendPatterns(enforcers=...) lacks it. Requests are refused until then."
                )
        return tuple(steps)


def _name(view: Callable[..., Any]) -> str:
    return getattr(view, "__qualname__", repr(view))


def _declared(guard: Guard) -> str:
    kinds = ", ".join(type(declaration).__name__ for declaration in guard.declarations)
    return f"{_name(guard.view)} is decorated with {kinds}"


def declare(declaration: Declaration) -> Callable[[Target], Target]:
    """The decorator for `declaration`: on a view function (sync or async), a method, a `View` or `MethodView` class."""

    def decorate(target: Target) -> Target:
        if not isinstance(target, type):
            return cast("Target", _declare_on_function(target, declaration))
        if issubclass(target, View):
            _declare_on_class(target, declaration)
            return target
        raise SetupError(
            f"{type(declaration).__name__} goes on views; {target.__qualname__} is not a flask View class."
        )

    return decorate


def declarations_of(view: Callable[..., Any], method: str = "GET") -> tuple[Declaration, ...]:
    """Every declaration that a request to `view` by `method` meets, in order; looks under foreign decorators too.

    `view` is a view function or a `View` class.
    """
    found: list[Declaration] = []
    seen: set[int] = set()
    view_class = view if isinstance(view, type) else getattr(view, "view_class", None)
    if isinstance(view_class, type):
        found += _declared_on(view_class)
        name = _handler_name(view_class, method)
        if name is not None:
            found += _search(getattr(view_class, name), seen)
        if issubclass(view_class, View):
            found += _search(view_class.dispatch_request, seen)
    found += _search(view, seen)
    return in_order(tuple(found))


def note_registered(view: Any) -> None:
    """Remember that a function is a route already: what is declared on it now comes too late."""
    if (guard := guard_of(view)) is not None:
        guard.is_routed = True
    if inspect.isfunction(view):  # to itself: an attribute copied by `functools.wraps` does not count
        vars(view)[REGISTERED] = ref(view)


def _declare_on_function(function: Callable[..., Any], declaration: Declaration) -> Callable[..., Any]:
    registered = getattr(function, REGISTERED, None)
    if registered is not None and registered() is function:
        raise SetupError(
            f"{type(declaration).__name__} is declared above the route of {_name(function)}, where it would enforce "
            "nothing; put its decorator below the one that makes the route."
        )
    return guarded(function, (declaration,))


def guarded(view: Callable[..., Any], declarations: tuple[Declaration, ...]) -> Callable[..., Any]:
    """`view`, which may be a route already, with `declarations` outside of those that it has."""
    guard = guard_of(view)
    if guard is None:
        return Guard(view, declarations).wrapper
    return Guard(guard.view, (*declarations, *guard.declarations)).wrapper


def under_guard(view: Callable[..., Any], wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    """`wrap(view)`, with the guard of `view` outermost: what is declared is enforced before input is read.

    So the declarations above and below `@blp.arguments` and its kin still meet in one guard.
    """
    guard = guard_of(view)
    return wrap(view) if guard is None else Guard(wrap(guard.view), guard.declarations).wrapper


def guard_of(function: Any) -> Guard | None:
    """The guard whose wrapper `function` is; an attribute copied by a foreign `functools.wraps` does not count."""
    guard = getattr(function, "__backend_guard__", None)
    return guard if isinstance(guard, Guard) and guard.wrapper is function else None


def _enter(plan: Plan, entered: list[Generator[None, Any, Any]]) -> Any:
    for enforcer, declaration, is_around in plan:
        answer = enforcer(declaration)
        if is_around:
            try:
                next(answer)
            except StopIteration as early:
                answer = early.value
            else:
                entered.append(answer)
                continue
        if answer is not None:
            return answer
    return None


def _leave(entered: list[Generator[None, Any, Any]], response: Any) -> Any:
    while entered:
        generator = entered.pop()
        try:
            generator.send(response)
        except StopIteration as done:
            response = done.value
        except Exception as error:  # noqa: BLE001 - handed to the enforcers further out
            return _leave_failed(entered, error)
        else:
            generator.close()
            return _leave_failed(
                entered, SetupError("An enforcer that is a generator has to yield exactly once.")
            )
    return response


def _close(entered: list[Generator[None, Any, Any]]) -> None:
    """The process or the worker is being stopped: let the enforcers release what they hold."""
    while entered:
        entered.pop().close()


def _leave_failed(entered: list[Generator[None, Any, Any]], error: Exception) -> Any:
    while entered:
        generator = entered.pop()
        try:
            generator.throw(error)
        except StopIteration as done:
            return _leave(entered, done.value)
        except Exception as raised:  # noqa: BLE001 - handed to the enforcers further out
            error = raised
    raise error


# --- View classes -----------------------------------------------------------------------------------------------


def _declare_on_class(view_class: type[View], declaration: Declaration) -> None:
    setattr(view_class, DECLARED, (declaration, *view_class.__dict__.get(DECLARED, ())))
    _guard_dispatch(view_class)
    if getattr(view_class.as_view, "__backend_as_view__", False):
        return
    original = view_class.__dict__.get("as_view")

    @classmethod  # type: ignore[misc]  # set on the class below
    def as_view(cls: type[View], name: str, *args: Any, **kwargs: Any) -> Any:
        _guard_dispatch(cls)  # a subclass may have overridden `dispatch_request`
        bound = original.__get__(None, cls) if original else super(view_class, cls).as_view  # type: ignore[misc]
        return bound(name, *args, **kwargs)

    as_view.__func__.__backend_as_view__ = True  # type: ignore[attr-defined]  # a function's own dict
    view_class.as_view = as_view  # type: ignore[method-assign, assignment]  # the class is ours to guard


def _guard_dispatch(view_class: type[View]) -> None:
    """Make the class's own `dispatch_request`, wherever it comes from, enforce what is declared on the class."""
    original = view_class.dispatch_request
    if getattr(original, "__backend_dispatch__", None) is original:
        return
    is_plain = original is MethodView.dispatch_request

    @functools.wraps(original)
    def dispatch_request(self: View, *args: Any, **kwargs: Any) -> Any:
        if _dispatching.get() == (self, request._get_current_object()):  # type: ignore[attr-defined]  # noqa: SLF001
            return current_app.ensure_sync(original)(self, *args, **kwargs)
        guard = _class_guard(type(self), request.method, None if is_plain else _going_on(original))
        return current_app.ensure_sync(guard.wrapper)(self, *args, **kwargs)

    dispatch_request.__backend_dispatch__ = dispatch_request  # type: ignore[attr-defined]  # a function's own dict
    view_class.dispatch_request = dispatch_request  # type: ignore[method-assign]  # the class is ours to guard


# The view and request whose class declarations have been enforced, while a dispatch of the class' own runs: it may go on
# to the base's, which is guarded too. Not kept any longer, since a request may be dispatched again.
_dispatching: ContextVar[tuple[View, Any] | None] = ContextVar("dispatching", default=None)


@functools.cache
def _going_on(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    """`dispatch`, noted as being past its class' guard while it runs."""

    @functools.wraps(dispatch)
    def dispatch_request(self: View, *args: Any, **kwargs: Any) -> Any:
        token = _dispatching.set((self, request._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            return current_app.ensure_sync(dispatch)(self, *args, **kwargs)
        finally:
            _dispatching.reset(token)

    return dispatch_request


def _class_guard(view_class: type[View], method: str, dispatch: Callable[..., Any] | None) -> Guard:
    """The guard of one method of a class: its own declarations merged with those of the class."""
    guards: dict[Any, Guard] = view_class.__dict__.get("__backend_guards__") or {}
    key = method if dispatch is None else dispatch
    guard = guards.get(key)
    if guard is None:
        view = dispatch or _method_of(view_class, method)
        inner = guard_of(view)
        declared = _declared_on(view_class)
        guard = Guard(inner.view, (*declared, *inner.declarations)) if inner else Guard(view, declared)
        setattr(view_class, "__backend_guards__", {**guards, key: guard})  # noqa: B010 - a class, not a known type
    return guard


def _method_of(view_class: type[View], method: str) -> Callable[..., Any]:
    """The class' function for `method`, taking the view; what is no plain function (a `staticmethod`) is bound first."""
    name = _handler_name(view_class, method)
    if name is None:
        return MethodView.dispatch_request
    function = inspect.getattr_static(view_class, name)
    if inspect.isfunction(function):
        return function

    def call(self: View, *args: Any, **kwargs: Any) -> Any:
        return current_app.ensure_sync(getattr(self, name))(*args, **kwargs)

    return call


def _declared_on(view_class: type) -> tuple[Declaration, ...]:
    return tuple(item for base in view_class.__mro__ for item in base.__dict__.get(DECLARED, ()))


def _handler_name(view_class: type, method: str) -> str | None:
    """The name of the function that serves `method`; GET's serves HEAD, as in `MethodView`."""
    name = method.lower()
    if not hasattr(view_class, name) and method == "HEAD":
        name = "get"
    return name if hasattr(view_class, name) else None


# --- Reading declarations for the audit and the OpenAPI document ------------------------------------------------


def _search(function: Any, seen: set[int]) -> list[Declaration]:
    if id(function) in seen:  # a view made by `as_view` holds itself
        return []
    seen.add(id(function))
    guard = guard_of(function)
    found: list[Declaration] = list(guard.declarations) if guard else []
    for inner in (guard.view,) if guard else wrapped_by(function):
        found += _search(inner, seen)
    return found


def wrapped_by(function: Any) -> Iterator[Any]:
    """What a decorator has wrapped: `__wrapped__`, a partial's function, or what it hands whatever arguments on to.

    Other functions in a closure do not count: a view that calls another view has not its declarations.
    """
    if hasattr(function, "__wrapped__"):
        yield function.__wrapped__
        return
    if isinstance(function, functools.partial):
        yield function.func
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if not (flags & inspect.CO_VARARGS and flags & inspect.CO_VARKEYWORDS):
        return
    for held in held_by(function):
        if inspect.isfunction(held) or isinstance(held, functools.partial):
            yield held
