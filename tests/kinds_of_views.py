"""Every kind of view that Flask knows, with a decorator on it, and foreign decorators around that.

A view is made anew at each call: what one test declares on it is not the matter of the next one.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Blueprint
from flask.views import MethodView, View

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Any], Any]


def plain_view() -> Callable[[], str]:
    """A function that answers "seen"."""

    def view():
        return "seen"

    return view


def plain_async_view() -> Callable[[], Any]:
    """A coroutine function that answers "seen"."""

    async def view():
        return "seen"

    return view


def losing(view):
    """A foreign decorator that loses every attribute."""
    if asyncio.iscoroutinefunction(view):

        async def inner(*args, **kwargs):
            return await view(*args, **kwargs)
    else:

        def inner(*args, **kwargs):
            return view(*args, **kwargs)

    inner.__name__ = "inner"
    return inner


def keeping(view):
    """A foreign decorator that copies attributes, ours included."""
    return functools.wraps(view)(losing(view))


def hiding(view):
    """A foreign decorator of which nothing can be seen: not what it calls either."""
    held = [view]

    def inner(**arguments):
        return held[0](**arguments)

    return inner


def _method(decorate: Decorator):
    class Item(MethodView):
        @decorate
        def get(self):
            return "seen"

    return Item.as_view("item")


def _async_method(decorate: Decorator):
    class Item(MethodView):
        @decorate
        async def get(self):
            return "seen"

    return Item.as_view("item")


def _method_view_class(decorate: Decorator):
    class Item(MethodView):
        def get(self):
            return "seen"

    return decorate(Item).as_view("item")


def _view_class(decorate: Decorator):
    class Item(View):
        def dispatch_request(self):
            return "seen"

    return decorate(Item).as_view("item")


def _dispatch_method(decorate: Decorator):
    class Item(View):
        @decorate
        def dispatch_request(self):
            return "seen"

    return Item.as_view("item")


def _decorators_list(decorate: Decorator):
    class Item(MethodView):
        decorators: ClassVar = [decorate]

        def get(self):
            return "seen"

    return Item.as_view("item")


KINDS: dict[str, Callable[[Decorator], Any]] = {
    "function": lambda decorate: decorate(plain_view()),
    "async": lambda decorate: decorate(plain_async_view()),
    "method": _method,
    "async method": _async_method,
    "class": _method_view_class,
    "plain View class": _view_class,
    "dispatch_request": _dispatch_method,
    "decorators list": _decorators_list,
}
FOREIGN: dict[str, Callable[[Decorator], Decorator]] = {
    "alone": lambda decorate: decorate,
    "under losing": lambda decorate: lambda view: losing(decorate(view)),
    "over losing": lambda decorate: lambda view: decorate(losing(view)),
    "under keeping": lambda decorate: lambda view: keeping(decorate(view)),
    "over keeping": lambda decorate: lambda view: decorate(keeping(view)),
}
CLASSES = {"class", "plain View class"}
# A foreign function decorator does not go on a class.
COMBINATIONS = [
    (kind, foreign) for kind in KINDS for foreign in FOREIGN if kind not in CLASSES or foreign == "alone"
]


def on_app(app: Any, view: Any) -> None:
    """The view as `/x`."""
    app.add_url_rule("/x", "x", view)


def in_nested_blueprint(app: Any, view: Any) -> None:
    """The same, two plain blueprints down."""
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    inner.add_url_rule("/x", "x", view)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
