"""`@cached` functions: what is refused, what they have beside, and what they do not keep."""

import asyncio
import datetime as dt
import gc

import pytest
from flask import Blueprint, g, session
from flask.views import MethodView
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from flask_backend_patterns import SetupError, cached_view, rate_limit, require_auth
from flask_backend_patterns._contribution import ACTOR_ASKED_KEY
from flask_backend_patterns.auth import current_actor
from flask_backend_patterns.cache import (
    NotStored,
    UncacheableValueError,
    cached,
    get_many_or_load,
    get_or_load,
    invalidate,
    memo,
)
from flask_backend_patterns.cache.keys import MAX_KEY_CHARACTERS, bounded
from flask_backend_patterns.cache.memo import MAX_RESULTS
from tests.unit.cache.aside.conftest import make_app

# --- B2: what asks who calls -------------------------------------------------------------------------------------


def asks_actor():
    return {"me": current_actor.id}


def asks_session():
    return session.get("user_id")


def verifies_token():
    g._jwt_extended_jwt = {"sub": "1"}
    return "1"


@pytest.mark.parametrize("ask", [asks_actor, asks_session, verifies_token])
def test_what_depends_on_the_caller_is_kept_for_nobody(recorded, ask):
    """Not for the next request, nor near; it is said once, with the function's name."""
    app, events = recorded
    loads = []

    @cached(60, key="mine")
    def mine():
        loads.append(1)
        return ask()

    for _ in range(3):
        with app.test_request_context():
            mine()
            mine.fresh()
    assert len(loads) == 6
    assert [(event, fields["name"]) for event, fields in events] == [
        ("cached_asks_caller", f"{__name__}.{mine.__qualname__}")
    ]


def test_coroutines_are_watched_too(recorded):
    """Also across their awaits."""
    app, events = recorded
    loads = []

    @cached(60, key="mine")
    async def mine():
        await asyncio.sleep(0)
        loads.append(1)
        return asks_actor()

    for _ in range(2):
        with app.test_request_context():
            asyncio.run(mine())
    assert len(loads) == 2
    assert len(events) == 1


@pytest.mark.parametrize("before", [True, False])
def test_who_asked_outside_is_not_blamed_on_the_function(recorded, before):
    """And what it was told of the request stays as it was, for `@cached_view` around it."""
    app, _ = recorded

    @cached(60, key="plain")
    def plain():
        return 1

    with app.test_request_context() as context:
        if before:
            asks_actor()
        plain()
        assert (ACTOR_ASKED_KEY in context.request.environ) is before
    with app.app_context():
        assert plain.uncached.__name__ == "plain"
        assert get_or_load("plain", pytest.fail) == 1


def test_who_is_in_the_key_may_be_asked(recorded):
    """A function for the key says what tells callers apart."""
    app, events = recorded
    loads = []

    @cached(60, key=lambda: f"mine:{current_actor.id}")
    def mine():
        loads.append(1)
        return asks_actor()

    for _ in range(2):
        with app.test_request_context():
            mine()
    assert (len(loads), events) == (1, [])


@pytest.fixture
def recorded():
    """An app, and what it logs."""
    app = make_app(SECRET_KEY="x" * 40, JWT_SECRET_KEY="x" * 40)
    events = []
    note = lambda _, event, **fields: events.append((event, fields))
    app.extensions["backend_patterns"].cache.aside.log = type("Log", (), {"warning": note, "error": note})()
    return app, events


# --- B2: views ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declare", [require_auth, cached_view(60)])
def test_a_view_with_declarations_is_refused(declare):
    """A kept answer would be given without asking them."""

    def view():
        raise AssertionError

    with pytest.raises(SetupError, match="use @cached_view"):
        cached(60)(declare(view))


def test_a_limited_function_may_be_cached(cache_app):
    """Who gets a kept result does not call what is limited."""

    @cached(60)
    @rate_limit("1/minute", name="n", key=lambda: "everybody")
    def ask() -> int:
        return 1

    assert [ask(), ask.fresh()] == [1, 1]


def as_view(app, function):
    app.add_url_rule("/x", "x", function)


def as_view_of_a_blueprint(app, function):
    blueprint = Blueprint("b", __name__)
    blueprint.add_url_rule("/x", "x", function)
    app.register_blueprint(blueprint)


def under_a_guard(app, function):
    app.add_url_rule("/x", "x", rate_limit("100/minute")(function))


def as_method(app, function):
    class Views(MethodView):
        get = function

    app.add_url_rule("/x", view_func=Views.as_view("x"))


@pytest.mark.parametrize("add", [as_view, as_view_of_a_blueprint, under_a_guard, as_method])
def test_a_cached_function_is_no_view(add):
    """Its key has neither the query nor the caller: every request is refused, and nothing is kept."""
    app = make_app()
    runs = []

    @cached(60, key="x")
    def view(*_):
        runs.append(1)
        return "private"

    add(app, view)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for _ in range(2):
        with pytest.raises(SetupError, match=r"is the view of .*x, .*use @cached_view"):
            app.test_client().get("/x")
    assert runs == []


# --- Keys --------------------------------------------------------------------------------------------------------


def test_closures_need_a_key(cache_app):
    """Two of them differ by what no key has. What is the function's own does not count."""

    def make(factor):
        @cached(60)
        def times(number):
            return number * factor

        return times

    with pytest.raises(SetupError, match=r"times needs key=, since its result depends on factor"):
        make(2)

    @cached(60)
    def fibonacci(number: int) -> int:
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(20) == 6765

    class Base:
        def name(self):
            return "base"

    class Child(Base):
        @cached(60, key="child")
        def name(self):
            return super().name()

    assert Child().name() == "base"


def test_functions_go_with_what_they_have_compiled(cache_app):
    """An app does not keep them alive."""
    known = cache_app.extensions["backend_patterns"].cache.functions
    before = len(known)
    for _ in range(50):

        @cached(60, key="z")
        def function():
            return 1

        function()
    del function
    gc.collect()
    assert len(known) == before


@pytest.mark.parametrize("keys", [("dup:{x}", "dup:{y}"), ("dup", "dup")])
def test_two_functions_with_one_key_are_refused(cache_app, keys):
    """Whatever their arguments are called; unless a name says that they share it."""

    @cached(60, key=keys[0])
    def first(x):
        return 1

    @cached(60, key=keys[1])
    def second(y):
        return "a"

    assert first(1) == 1
    for _ in range(2):
        with pytest.raises(SetupError, match=r"second and .*first have the same key"):
            second(1)

    @cached(60, key=f"shared:{keys[0]}", name="both")
    def third(x):
        return 3

    @cached(60, key=f"shared:{keys[1]}", name="both")
    def fourth(y):
        raise AssertionError

    assert (third(1), fourth(1)) == (3, 3)


@pytest.mark.parametrize("victim", ["v" * 300, "\ud800", "é" * 400])
def test_no_short_name_is_that_of_a_long_one(cache_app, victim):
    """A name that looks like a hashed one is hashed; one that is hashed already stays."""
    made = bounded(victim)
    copied = "".join(made)  # the same text, from a stranger
    assert bounded(made) == made
    assert bounded(copied) != made
    assert len(bounded(copied)) <= MAX_KEY_CHARACTERS

    @cached(60, key="{text}")
    def answer(text):
        return f"to {len(text)}"

    answer(copied)
    assert answer(victim) == f"to {len(victim)}"
    invalidate(keys=[answer.key(victim)])
    assert answer.fresh(victim) == f"to {len(victim)}"


def test_the_key_of_a_long_name_forgets_it(cache_app):
    """As given by `key`."""
    loads = []

    @cached(60, key="{text}")
    def answer(text):
        loads.append(text)
        return 1

    answer("x" * 500)
    invalidate(keys=[answer.key("x" * 500)])
    answer("x" * 500)
    assert len(loads) == 2
    assert get_or_load(answer.key("x" * 500), pytest.fail) == 1


# --- What functions have beside ----------------------------------------------------------------------------------


def test_write_through_of_a_function(cache_app):
    """What is written is what the next call gives: key, tags and types are the function's."""

    @cached(60, key="find:{number}", tags=["find", "find:{number}"])
    def find(number: int) -> dt.date:
        raise AssertionError

    find.write_through(dt.date(2020, 1, 1), 4)
    assert (find(4), find.fresh(4)) == (dt.date(2020, 1, 1),) * 2
    with Session(create_engine("sqlite://")) as database:
        find.write_through_after_commit(database, dt.date(2021, 1, 1), number=5)
        database.commit()
        find.write_through_after_commit(database, dt.date(2022, 1, 1), 4)
        database.rollback()
    assert (find(5), find(4)) == (dt.date(2021, 1, 1), dt.date(2020, 1, 1))


def test_get_many_of_a_function(cache_app):
    """Loads what is missing, and gives all in their order."""
    loads = []

    @cached(60, key="square:{number}", tags=["square:{number}"])
    def square(number: int) -> int:
        loads.append(number)
        return NotStored(9) if number == 3 else number * number

    assert square(2) == 4
    assert square.get_many([1, 2, 3, 2]) == {1: 1, 2: 4, 3: 9}
    assert square.get_many([3, 1]) == {3: 9, 1: 1}
    assert loads == [2, 1, 3, 3]
    invalidate(tags=["square:1"])
    assert square(1) == 1
    assert loads == [2, 1, 3, 3, 1]


def test_methods_have_the_same(cache_app):
    """With their object as the first argument."""

    class Service:
        number = 7

        @cached(60, key="service:{self.number}:{x}")
        def add(self, x: int) -> int:
            return self.number + x

    service = Service()
    assert (service.add(1), service.add.fresh(1), service.add.uncached(1), service.add.key(1)) == (
        8,
        8,
        8,
        "service:7:1",
    )
    service.add.write_through(9, 1)
    assert (service.add(1), service.add.get_many([1, 2])) == (9, {1: 9, 2: 9})
    service.add.invalidate(1)
    assert (service.add(1), service.add.refresh(1)) == (8, 8)
    assert service.add.__name__ == "add"


def test_coroutines_have_no_get_many(cache_app):
    """It says so."""

    @cached(60)
    async def load(number: int) -> int:
        return number

    with pytest.raises(SetupError, match="gather"):
        load.get_many([1])


@pytest.mark.parametrize("in_app", [True, False])
def test_not_stored_is_never_given_to_callers(cache_app, in_app):
    """With the cache and without."""

    @cached(60, key="ns")
    def find():
        return NotStored(1)

    @cached(60, key="nsa")
    async def find_async():
        return NotStored(1)

    def results():
        return [find(), asyncio.run(find_async()), get_or_load("k", lambda: NotStored(1))]

    if in_app:
        assert results() == [1, 1, 1]
    else:
        off = make_app(BACKEND_CACHE_ENABLED=False)
        with off.app_context():
            assert results() == [1, 1, 1]


# --- Wrong use ---------------------------------------------------------------------------------------------------


def nothing(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        (lambda: cached(None)(nothing), "ttl=None; give a number"),
        (lambda: cached("60")(nothing), "ttl='60'; give a number"),
        (lambda: cached(dt.timedelta(minutes=5))(nothing), "give a number of seconds"),
        (lambda: cached(True)(nothing), "ttl=True; give a number"),
        (lambda: cached(60, none_ttl="1")(nothing), "none_ttl='1'"),
        (lambda: cached(60, types=dict)(nothing), r"types takes a list: types=\[dict\]"),
        (lambda: cached(60)(classmethod(nothing)), "below @classmethod"),
        (lambda: cached(60)(staticmethod(nothing)), "below @staticmethod"),
        (lambda: cached(60)(5), "goes on functions"),
        (lambda: cached(nothing), "with parentheses"),
        (lambda: get_or_load("k", lambda: 1, ttl=None), "ttl=None"),
        (lambda: get_or_load("k", lambda: 1, types=dict), r"types=\[dict\]"),
        (lambda: get_many_or_load([1], dict, key="product:{}"), r"'product:{}'\.format"),
    ],
)
def test_wrong_use_says_what_to_do(cache_app, use, problem):
    """Instead of an error from deep inside."""
    with pytest.raises(SetupError, match=problem):
        use()


def test_a_value_that_cannot_be_kept_names_its_function(cache_app):
    """As a wrong key does."""

    @cached(60)
    def make():
        return {"a": object()}

    with pytest.raises(UncacheableValueError, match=r"make: a: object cannot be stored"):
        make()


def test_memo_is_bounded(cache_app):
    """A worker may stay in one context for ever."""
    runs = []

    @memo
    def double(number):
        runs.append(number)
        return number * 2

    for number in range(MAX_RESULTS + 10):
        assert double(number) == number * 2
    assert double(MAX_RESULTS + 9) == 2 * (MAX_RESULTS + 9)
    assert len(runs) == MAX_RESULTS + 10
    assert len(g._flask_backend_patterns_memo) == MAX_RESULTS
    double(0)
    assert runs[-1] == 0
