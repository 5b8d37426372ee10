"""Policies: their two forms, how they are joined, which of them an app has."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    literal,
    null,
    select,
    text,
)

from flask_backend_patterns._config import SetupError
from flask_backend_patterns.auth.identity import Actor
from flask_backend_patterns.auth.policies import Context, Policies, policy, utc_now

ACTOR = Actor(id="7", method="jwt")
NOON = Context(now=datetime(2026, 1, 1, 12, tzinfo=UTC), address="192.0.2.1")
ITEMS = Table(
    "items",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("total", Integer),
    Column("note", String),
)


@policy()
def small(_actor, item, _context):
    """A policy in both forms."""
    return item.total is not None and item.total <= 100


@small.criterion
def small(_actor, model, _context):
    return model.c.total <= 100


@policy()
def noted(_actor, item, _context):
    return item.note is not None


@noted.criterion
def noted_rows(_actor, model, _context):
    return model.c.note.is_not(None)


@policy()
def before_noon(_actor, _item, context):
    return context.now.hour < 12


@before_noon.criterion
def _(_actor, _model, context):
    return context.now.hour < 12


ROWS = [
    {"id": 1, "total": 50, "note": "a"},
    {"id": 2, "total": 150, "note": "a"},
    {"id": 3, "total": None, "note": "a"},
    {"id": 4, "total": None, "note": None},
    {"id": 5, "total": 100, "note": None},
]


@pytest.fixture(scope="module")
def connection():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        ITEMS.metadata.create_all(connection)
        connection.execute(insert(ITEMS), ROWS)
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    ("joined", "ids"),
    [
        (small, {1, 5}),
        (~small, {2, 3, 4}),
        (~~small, {1, 5}),
        (small & noted, {1}),
        (small | noted, {1, 2, 3, 5}),
        (~(small & noted), {2, 3, 4, 5}),
        (~small & ~noted, {4}),
        (~(small | ~noted), {2, 3}),
        (~(~small & ~noted), {1, 2, 3, 5}),
        (small & before_noon, set()),
        (small | ~before_noon, {1, 2, 3, 4, 5}),
        (policy(name="renamed")(~small), {2, 3, 4}),
        (~policy()(small & noted), {2, 3, 4, 5}),
    ],
    ids=str,
)
def test_both_forms_agree_with_nulls(connection, joined, ids):
    """A row without a total is not small, so it is among those that are `~small`, in Python and in SQL."""
    rows = connection.execute(select(ITEMS).where(joined.where(ACTOR, ITEMS, NOON))).all()
    assert {row.id for row in rows} == ids
    everything = connection.execute(select(ITEMS)).all()
    assert {row.id for row in everything if joined.holds(ACTOR, row, NOON)} == ids


def test_a_plain_rule_leaves_the_column_bare_for_the_index():
    """NULL counts as false in WHERE anyway; only under a negation it has to be turned into false."""
    assert str((small & noted | before_noon).where(ACTOR, ITEMS, NOON)).lower().count("coalesce") == 0
    assert str((small & ~noted).where(ACTOR, ITEMS, NOON)).lower().count("coalesce") == 1


def test_names_are_readable():
    """They are what the audit and the messages show."""
    assert str(small & ~noted | before_noon) == "((small & ~noted) | before_noon)"
    assert repr(policy(name="mine")(small)) == "<Policy mine>"


def test_a_rule_can_still_be_called():
    """The decorated function's own tests go on to work."""

    class Item:
        total = 5

    assert small(ACTOR, Item, NOON) is True


@pytest.mark.parametrize("said", [1, "x", [0], 0, "", None, [], True, False])
def test_what_a_rule_returns_counts_as_python_counts_it(said):
    """`item.total and item.total < 5` may be 0 or None."""
    assert policy()(lambda *_: said).holds(ACTOR, None, NOON) is bool(said)


async def coroutine(*_):
    return False


def generator(*_):
    yield False


async def asynchronous_generator(*_):
    yield False


class AsyncCall:
    async def __call__(self, *_):
        return False


@pytest.mark.parametrize("rule", [coroutine, generator, asynchronous_generator, AsyncCall()])
def test_rules_that_would_always_look_true_are_refused(rule):
    """What an async function returns is true whatever it would have found; criteria too."""
    with pytest.raises(SetupError, match="async or a generator"):
        policy()(rule)
    with pytest.raises(SetupError, match="async or a generator"):
        policy()(lambda *_: True).criterion(rule)


@pytest.mark.parametrize(
    "rule", [generator, len, asynchronous_generator], ids=["generator", "function", "async generator"]
)
def test_a_rule_that_returns_no_answer_is_no_yes(rule):
    """A lambda that forgets to call, or wraps something lazy."""
    hidden = policy()(lambda *_: rule if rule is len else rule())
    with pytest.raises(SetupError, match="return True or False"):
        hidden.holds(ACTOR, None, NOON)


def test_an_awaitable_is_no_yes():
    """Hidden behind a lambda it is found when it is returned."""
    made = coroutine()
    with pytest.raises(SetupError, match="returned coroutine"):
        policy()(lambda *_: made).holds(ACTOR, None, NOON)
    made.close()


def test_joining_by_words_is_refused():
    """`and` would drop one of the two without a word."""
    with pytest.raises(TypeError, match="join policies by &"):
        _ = small and noted
    with pytest.raises(TypeError):
        small & (lambda *_: True)
    with pytest.raises(TypeError):
        small | None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: policy(coroutine), "takes the permission it limits"),
        (lambda: policy("orders:*"), "write one permission"),
        (lambda: policy("orders:read:own"), "write one permission"),
        (lambda: policy("Orders"), "write one permission"),
        (lambda: policy("orders:read")(7), "goes on a function"),
        (lambda: small.criterion(lambda *_: True), "has a criterion already"),
        (lambda: policy()(lambda *_: True).where(ACTOR, ITEMS, NOON), "cannot be turned into SQL"),
        (
            lambda: (small & ~policy(name="bare")(lambda *_: True)).where(ACTOR, ITEMS, NOON),
            "add its form for SELECT",
        ),
        (
            lambda: with_criterion("total <= 5").where(ACTOR, ITEMS, NOON),
            "returned str; return an SQL expression",
        ),
        (lambda: with_criterion(5).where(ACTOR, ITEMS, NOON), "returned int; return an SQL expression"),
    ],
)
def test_what_cannot_work_is_told(make, words):
    """By name, with what to write instead."""
    with pytest.raises(SetupError, match=words):
        make()


def with_criterion(found):
    return policy(name="rule")(lambda *_: True).criterion(lambda *_: found)


@pytest.mark.parametrize(
    ("found", "count"),
    [(True, 5), (False, 0), (None, 0), (text("total <= 100"), None), (null(), 0), (literal(True), 5)],
)
def test_a_criterion_may_be_a_constant(connection, found, count):
    """What depends on the time alone is plain Python; raw text is not an expression."""
    rule = with_criterion(found)
    if count is None:
        with pytest.raises(SetupError, match="return an SQL expression"):
            rule.where(ACTOR, ITEMS, NOON)
        return
    for joined, expected in [(rule, count), (~rule, 5 - count)]:
        assert (
            len(connection.execute(select(ITEMS).where(joined.where(ACTOR, ITEMS, NOON))).all()) == expected
        )


def limiting(permission, name):
    return policy(permission, name=name)(lambda *_: True)


def test_policies_are_found_by_permission_and_by_name():
    """All that limit a permission count; a joined one stands for its rules."""
    one, two, three = (limiting("found:read", name) for name in ("one", "two", "three"))
    book = Policies([one, policy("found:read", name="either")(two | three)])
    assert [each.name for each in book.about("found:read")] == ["one", "either"]
    assert book.about("found:write") == ()
    assert book.resolve("either").name == "either"
    assert book.resolve(two) is two


def test_a_rule_of_several_permissions_has_to_say_which():
    """Else it would silently limit one of them, or none."""
    mixed = limiting("mixed:read", "reading") & limiting("mixed:write", "writing")
    with pytest.raises(SetupError, match=r"joins rules about mixed:read, mixed:write; say which"):
        Policies([mixed])
    assert policy("mixed:write")(mixed).permission == "mixed:write"
    assert (limiting("mixed:read", "a") & small).permission == "mixed:read"
    assert small.permission is None


@pytest.mark.parametrize("given", [[lambda *_: True], ["small"], [None]])
def test_what_is_no_policy_is_refused(given):
    """A bare function would have no permission."""
    with pytest.raises(SetupError, match="takes what @policy"):
        Policies(given)


def test_two_policies_of_one_name_are_refused():
    """`@require_policy("name")` has to mean one; the same one twice is fine."""
    one = limiting("named:read", "same")
    assert Policies([one, one]).about("named:read") == (one,)
    with pytest.raises(SetupError, match="Two policies are called same"):
        Policies([one, limiting("named:write", "same")])


def test_an_unknown_name_is_told_with_the_nearest():
    """Or that there are none."""
    with pytest.raises(SetupError, match="did you mean small"):
        Policies([small]).resolve("smal")
    with pytest.raises(SetupError, match="none was handed over"):
        Policies([]).resolve("small")


def test_a_rule_that_the_app_was_not_given_stops_its_permission():
    """Also one made after the permission was first asked about; one that nobody keeps any more does not."""
    book = Policies([])
    assert book.about("late:read") == ()
    late = limiting("late:read", "late")
    with pytest.raises(SetupError, match=r"not given: late; hand them over"):
        book.about("late:read")
    assert book.about("late:write") == ()
    del late
    gc.collect()
    limiting("late:other", "unrelated")
    assert book.about("late:read") == ()


def test_a_rule_made_by_a_factory_is_of_its_own_app():
    """Two apps made by one factory have a rule each, and neither misses the other's."""

    def create():
        return Policies([limiting("factory:read", "each")])

    first, second = create(), create()
    assert len(first.about("factory:read")) == len(second.about("factory:read")) == 1


MODULE_RULE = policy("module:read", name="module_rule")(small.holds.__func__)


def test_a_rule_of_a_module_is_of_every_app():
    """Given to one app only, it stops the permission on the other."""
    assert Policies([MODULE_RULE]).about("module:read") == (MODULE_RULE,)
    with pytest.raises(SetupError, match="not given: module_rule"):
        Policies([]).about("module:read")


def test_a_rule_inside_another_permission_is_not_handed_over_for_its_own():
    """It limits approving; reading would go on without it."""
    book = Policies([policy("module:approve", name="approving")(~MODULE_RULE)])
    assert len(book.about("module:approve")) == 1
    with pytest.raises(SetupError, match="not given: module_rule"):
        book.about("module:read")


def test_the_context_has_the_time_the_address_and_what_is_added():
    """UTC, aware; no address outside of requests."""
    book = Policies([], clock=lambda: NOON.now)
    assert book.context() == Context(now=NOON.now)
    app = Flask("context")
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.9"}):
        assert book.context({"amount": 5}) == Context(now=NOON.now, address="192.0.2.9", extra={"amount": 5})
    assert utc_now().utcoffset().total_seconds() == 0


def test_memory_is_bounded_however_many_permissions_are_asked_for():
    """An endpoint that asks `can` for names it was sent."""
    book = Policies([])
    for number in range(10_500):
        book.about(f"made-up:{number}")
    assert len(book._checked) == 10_000
