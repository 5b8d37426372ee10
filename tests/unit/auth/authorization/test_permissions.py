"""The grammar of grants, and how far a permission reaches. docs: authorization.md."""

from __future__ import annotations

import pickle
import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns.auth.permissions import (
    MAX_REMEMBERED,
    NO_PERMISSIONS,
    Permissions,
    Reach,
    is_grant,
    is_permission,
)

NONE, OWN, ALL = Reach.NONE, Reach.OWN, Reach.ALL


@pytest.mark.parametrize(
    ("grant", "permission", "reach"),
    [
        ("orders:read", "orders:read", ALL),
        ("orders:read", "orders:write", NONE),
        ("orders:read", "orders", NONE),
        ("orders:read", "orders:read:items", NONE),
        ("orders:read", "xorders:read", NONE),
        ("orders:read:own", "orders:read", OWN),
        ("orders:read:own", "orders:write", NONE),
        ("orders:read:own", "orders:read:own", OWN),
        ("orders:read", "orders:read:own", OWN),
        ("orders:*", "orders:read", ALL),
        ("orders:*", "orders:read:own", OWN),
        ("orders:*", "orders:items:read", ALL),
        ("orders:*", "orders", NONE),
        ("orders:*", "invoices:read", NONE),
        ("orders:*:own", "orders:read", OWN),
        ("orders:*:own", "orders:items:read", OWN),
        ("orders:*:own", "orders", NONE),
        ("*", "orders:read", ALL),
        ("*", "backup", ALL),
        ("*:own", "orders:read", OWN),
        ("*:read", "orders:read", ALL),
        ("*:read", "orders:items:read", NONE),
        ("*:read", "read", NONE),
        ("shop:*:read", "shop:orders:read", ALL),
        ("shop:*:read", "shop:orders:items:read", NONE),
        ("shop:*:*", "shop:orders", NONE),
        ("shop:*:*", "shop:orders:items:read", ALL),
        ("or-ders_2.x:read", "or-ders_2.x:read", ALL),
        ("or.ders:read", "orXders:read", NONE),
    ],
)
def test_a_grant_reaches_exactly_this_far(grant, permission, reach):
    """The table of the grammar: words, `*` in the middle and at the end, `:own`."""
    assert Permissions.parse([grant]).reach(permission) is reach


@pytest.mark.parametrize(
    "asked",
    ["", ":", "orders:", ":read", "orders::read", "Orders:read", "orders read", "orders:*", "*", "örders:read",
     "orders:read\n", "own", ":own", "orders:own:read", "٣:read", "x" * 100_000 + "!", "a:" * 50_000, "\ud800", None, 7],
)  # fmt: skip
def test_what_is_no_permission_is_never_held(asked):
    """Not even by who may do everything; nothing is raised."""
    assert Permissions.parse(["*", "*:own", "orders:*"]).reach(asked) is NONE
    assert not is_permission(asked)


@pytest.mark.parametrize(
    "grant",
    ["", ":", "orders:", "orders::read", "Orders:read", "orders:re*", "**", "orders:own:read", "own", "own:own", ":own",
     "orders:read:own:own", "orders:read\n", "orders:read ", "örders", "\0", "*:own:*", None, 7, b"orders:read"],
)  # fmt: skip
def test_a_malformed_grant_is_refused(grant):
    """It would grant nothing, silently."""
    assert not is_grant(grant)
    with pytest.raises(ValueError, match="is not a permission"):
        Permissions.parse([grant])


def test_one_string_is_no_list_of_grants():
    """`parse("*")` would otherwise be a list of one grant, by accident."""
    with pytest.raises(ValueError, match="expected a list"):
        Permissions.parse("*")


WORD = st.sampled_from(["a", "b", "c"])
PERMISSION = st.lists(WORD, min_size=1, max_size=4).map(":".join)
GRANT = st.tuples(
    st.lists(st.one_of(WORD, st.just("*")), min_size=1, max_size=4).map(":".join),
    st.sampled_from(["", ":own"]),
).map("".join)
GRANTS = st.lists(GRANT, max_size=5)


def naive_reach(grants, permission):
    """The grammar, spelled out as regular expressions."""
    found = NONE
    for grant in grants:
        bare = grant.removesuffix(":own")
        words = bare.split(":")
        last = ".+" if words[-1] == "*" else words[-1]
        pattern = ":".join([*("[^:]+" if word == "*" else word for word in words[:-1]), last])
        if re.fullmatch(pattern, permission):
            found = max(found, ALL if bare == grant else OWN)
    return found


@given(GRANTS, PERMISSION)
def test_reach_is_what_the_grammar_says(grants, permission):
    """Never wider than what was granted, and never narrower: equal to a naive matcher by regular expressions."""
    permissions = Permissions.parse(grants)
    assert permissions.reach(permission) is naive_reach(grants, permission)
    assert permissions.reach(permission) is naive_reach(grants, permission)  # remembered
    assert permissions.reach(f"{permission}:own") is min(OWN, naive_reach(grants, permission))


@given(
    GRANTS,
    st.lists(st.one_of(GRANT, st.sampled_from(["openid", "Profile", "https://x/y", ""])), max_size=5),
    PERMISSION,
)
def test_narrowed_is_the_intersection(grants, scopes, permission):
    """Exactly as far as both reach, for `reach` and for the grants one can list."""
    narrowed = Permissions.parse(grants).narrowed(scopes)
    valid = [scope for scope in scopes if is_grant(scope)]
    expected = min(naive_reach(grants, permission), naive_reach(valid, permission))
    assert narrowed.reach(permission) is expected
    assert naive_reach(list(narrowed), permission) is expected
    assert bool(narrowed) or not list(narrowed)


@given(GRANTS, GRANTS, GRANTS)
def test_narrowing_twice_is_narrowing_by_both(grants, first, second):
    """In either order, and again by the same changes nothing."""
    permissions = Permissions.parse(grants)
    both = permissions.narrowed(first).narrowed(second)
    assert both == permissions.narrowed(second).narrowed(first)
    assert hash(both) == hash(permissions.narrowed(second).narrowed(first))
    assert both.narrowed(first) == both
    assert set(map(naive_reach_of(both), ALL_SHORT)) <= set(Reach)


ALL_SHORT = [":".join(words) for size in (1, 2) for words in product("abc", repeat=size)]


def naive_reach_of(permissions):
    return lambda permission: naive_reach(list(permissions), permission)


def test_scopes_that_are_no_permissions_leave_nothing():
    """A token for logging in only (`openid profile`) may do nothing else."""
    assert list(Permissions.parse(["orders:*"]).narrowed(["openid", "https://x", "Write"])) == []
    assert Permissions.parse(["*"]).narrowed([]) == NO_PERMISSIONS


def test_permissions_are_values():
    """Equal and hashed by what was granted, in any order; listed sorted; they survive pickling; they refuse changes."""
    one, other = Permissions.parse(["b:read", "a:*"]), Permissions.parse(iter(["a:*", "b:read", "b:read"]))
    assert one is other
    assert (list(one), repr(one)) == (["a:*", "b:read"], "Permissions(a:*, b:read)")
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(pickle.loads(pickle.dumps(one))) == hash(one)
    assert one != NO_PERMISSIONS
    assert bool(one)
    assert not NO_PERMISSIONS
    with pytest.raises(AttributeError):
        one._layers = frozenset()


def test_memory_is_bounded_however_many_permissions_are_asked_for():
    """Also when the names come from a client."""
    permissions = Permissions.parse(["many:*"])
    for number in range(3 * MAX_REMEMBERED):
        assert permissions.reach(f"many:{number}") is ALL
        assert permissions.reach(f"Malformed {number}") is NONE
    assert len(permissions._known) <= MAX_REMEMBERED
