"""Roles from settings and from a function."""

from __future__ import annotations

import threading

import pytest

from flask_backend_patterns._config import ConfigError
from flask_backend_patterns.auth.permissions import NO_PERMISSIONS, Reach
from flask_backend_patterns.auth.roles import MAX_REMEMBERED, MAX_UNKNOWN_LOGGED, RETRY_SECONDS, Roles
from flask_backend_patterns.errors import ServiceUnavailableError

SHOP = {
    "customer": ["orders:read:own"],
    "support": {"permissions": ["orders:read"], "inherits": ["customer"]},
    "manager": {"permissions": ("orders:*",), "inherits": ("support", "auditor")},
    "auditor": {"permissions": {"reports:read"}},
    "heir": {"inherits": ["manager"]},
}


class Events(list):
    def note(self, event, **fields):
        self.append((event, fields))

    info = warning = error = note


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def log():
    return Events()


def roles_of(source, log, clock=None, cache_seconds=30):
    return Roles(source, cache_seconds=cache_seconds, log=log, clock=clock or Clock())


@pytest.mark.parametrize(
    ("roles", "grants"),
    [
        (("customer",), ["orders:read:own"]),
        (("support",), ["orders:read", "orders:read:own"]),
        (("customer", "auditor"), ["orders:read:own", "reports:read"]),
        (("manager",), ["orders:*", "orders:read", "orders:read:own", "reports:read"]),
        (("heir",), ["orders:*", "orders:read", "orders:read:own", "reports:read"]),
        ((), []),
        (("nobody",), []),
        (("nobody", "auditor"), ["reports:read"]),
    ],
)
def test_roles_grant_what_they_and_their_parents_grant(log, roles, grants):
    """From a mapping and from a function alike."""
    assert list(roles_of(SHOP, log).permissions_of(roles)) == grants
    assert list(roles_of(lambda: SHOP, log).permissions_of(roles)) == grants


def test_expanded_names_inherited_roles_once_and_keeps_unknown_ones(log):
    """Nearest first; an app may go by roles that it never lists."""
    roles = roles_of(SHOP, log)
    assert roles.expanded(["manager", "customer"]) == ("manager", "support", "auditor", "customer")
    assert roles.expanded(["partner", "partner"]) == ("partner",)
    assert roles_of(None, log).expanded(["a", "b"]) == ("a", "b")


def test_scopes_narrow_and_never_widen(log):
    """A token with scopes may do less than its owner; without any, nothing; None means that there are none to heed."""
    roles = roles_of(SHOP, log)
    assert roles.permissions_of(("support",), ("*",)).reach("reports:read") is Reach.NONE
    assert roles.permissions_of(("support",), ("orders:read:own",)).reach("orders:read") is Reach.OWN
    assert roles.permissions_of(("support",), ()) == NO_PERMISSIONS
    assert roles.permissions_of(("support",), None).reach("orders:read") is Reach.ALL


def test_an_unknown_role_is_logged_once(log):
    """With what to do; not at all where no roles are configured."""
    roles = roles_of(SHOP, log)
    for _ in range(3):
        for scopes in (None, (), ("*",)):
            roles.permissions_of(("ghost", "customer"), scopes)
    assert [(event, fields["role"]) for event, fields in log] == [("unknown_role", "ghost")]
    log.clear()
    roles_of(None, log).permissions_of(("ghost",))
    assert log == []


def test_made_up_roles_fill_neither_memory_nor_log(log):
    """Tokens of a careless issuer carry anything."""
    roles = roles_of(SHOP, log)
    for number in range(MAX_REMEMBERED + MAX_UNKNOWN_LOGGED):
        roles.permissions_of((f"role {number}",))
    assert len(log) == MAX_UNKNOWN_LOGGED
    assert len(roles._current().remembered) <= MAX_REMEMBERED


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"a": {"inherits": ["a"]}}, "'a' inherits 'a', which is a circle"),
        ({"a": {"inherits": ["b"]}, "b": {"inherits": ["a"]}}, "which is a circle"),
        ({"a": {"inherits": ["b"]}}, "['a'] inherits 'b', which is no role"),
        ({"a": ["Orders:read"]}, "['a'] grants 'Orders:read', which is not a permission"),
        ({"a": "orders:read"}, "permissions is 'orders:read'; expected a list of texts"),
        ({"a": [7]}, "permissions is [7]; expected a list of texts"),
        ({"a": None}, "permissions is None; expected a list of texts"),
        ({"a": {"inherits": "b"}}, "inherits is 'b'; expected a list of texts"),
        ({"a": {"permission": []}}, "['a'] has 'permission'; expected 'permissions' and 'inherits'"),
        ({7: []}, "has a role 7"),
        ({"": []}, "has a role ''"),
        (["admin"], "expected a mapping of roles, or a function"),
        (7, "expected a mapping of roles, or a function"),
    ],
)
def test_a_wrong_mapping_is_a_sentence(log, source, sentence):
    """At build, before any request could be judged by it."""
    with pytest.raises(ConfigError) as failure:
        roles_of(source, log)
    assert sentence in str(failure.value)


def test_every_problem_is_told_at_once(log):
    """One start, all sentences."""
    with pytest.raises(ConfigError) as failure:
        roles_of({"a": ["X", "Y"], "b": {"inherits": ["c", "d"]}, "e": {"inherits": ["e"]}}, log)
    assert len(failure.value.problems) == 5


def test_an_async_function_is_refused(log):
    """Nothing would ever wait for it."""

    async def source():
        return SHOP

    with pytest.raises(ConfigError, match="async"):
        roles_of(source, log)


def test_long_chains_and_many_diamonds_are_resolved_at_once(log):
    """No recursion limit, no exponential walk: roles from a database are whatever was typed in."""
    chain = {
        f"r{n}": {"permissions": [f"p:{n}"], "inherits": [f"r{n + 1}"] if n < 1_499 else []}
        for n in range(1_500)
    }
    assert len(list(roles_of(chain, log).permissions_of(("r0",)))) == 1_500
    ladder = {f"d{n}": {"inherits": [f"d{n + 1}", f"e{n + 1}"]} for n in range(60)}
    ladder |= {f"e{n}": {"inherits": [f"d{n + 1}", f"e{n + 1}"]} for n in range(60)}
    ladder |= {"d60": ["deep:read"], "e60": []}
    assert list(roles_of(ladder, log).permissions_of(("d0",))) == ["deep:read"]


class Source:
    """A function whose answer and health the test sets."""

    def __init__(self):
        self.calls = 0
        self.answer = {"a": ["x:read"]}
        self.failure = None

    def __call__(self):
        self.calls += 1
        if self.failure:
            raise self.failure
        return self.answer


@pytest.fixture
def source():
    return Source()


def test_a_function_is_asked_once_in_the_time_given(log, source):
    """Not when the app is built, then at the first need, then after `cache_seconds`, or when told to."""
    clock = Clock()
    roles = roles_of(source, log, clock)
    assert source.calls == 0
    for _ in range(3):
        assert list(roles.permissions_of(("a",))) == ["x:read"]
    assert source.calls == 1
    source.answer = {"a": ["x:write"]}
    clock.now += 29.9
    assert list(roles.permissions_of(("a",))) == ["x:read"]
    clock.now += 0.2
    assert list(roles.permissions_of(("a",))) == ["x:write"]
    assert source.calls == 2
    source.answer = {}
    roles.reload()
    assert list(roles.permissions_of(("a",))) == []
    assert source.calls == 3


@pytest.mark.parametrize("failure", [RuntimeError("database away"), None], ids=["raises", "answers nonsense"])
def test_the_last_good_answer_serves_when_the_function_fails(log, source, failure):
    """Logged each time it is asked, which is once in a second; its next good answer counts."""
    clock = Clock()
    roles = roles_of(source, log, clock)
    roles.permissions_of(("a",))
    source.failure, source.answer = failure, {"a": ["NOT OK"]}
    clock.now += 31
    for _ in range(5):
        assert list(roles.permissions_of(("a",))) == ["x:read"]
    assert source.calls == 2
    assert [event for event, _ in log] == ["roles_unavailable"]
    source.failure, source.answer = None, {"a": ["y:read"]}
    clock.now += RETRY_SECONDS
    assert list(roles.permissions_of(("a",))) == ["y:read"]


def test_without_any_answer_nobody_is_let_through(log, source):
    """503, not "no permissions"; the function is not asked by every request."""
    source.failure = RuntimeError("database away")
    clock = Clock()
    roles = roles_of(source, log, clock)
    for _ in range(5):
        with pytest.raises(ServiceUnavailableError):
            roles.permissions_of(("a",))
    assert source.calls == 1
    source.failure = None
    clock.now += RETRY_SECONDS
    assert list(roles.permissions_of(("a",))) == ["x:read"]


def test_a_change_while_the_function_looks_is_not_lost(log, source):
    """`reload` during a slow answer makes that answer count for nothing but the moment."""
    roles = None
    answers = iter([{"a": ["old:read"]}, {"a": ["new:read"]}])

    def slow():
        answer = next(answers)
        if "old:read" in answer["a"]:
            roles.reload()
        return answer

    roles = roles_of(slow, log)
    roles.permissions_of(("a",))
    assert list(roles.permissions_of(("a",))) == ["new:read"]


def test_many_threads_ask_the_function_once(log):
    """At the first need all wait for one answer; later one asks while the others go on with what is known."""
    clock, calls, entered, release = Clock(), [], threading.Event(), threading.Event()

    def source():
        calls.append(threading.get_ident())
        entered.set()
        release.wait(60)
        return {"a": [f"x:{len(calls)}"]}

    roles, found = roles_of(source, log, clock), []

    def ask():
        found.append(list(roles.permissions_of(("a",))))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    release.set()
    for thread in threads:
        thread.join(60)
    assert (len(calls), found) == (1, [["x:1"]] * 16)

    clock.now += 31
    release.clear()
    entered.clear()
    slow = threading.Thread(target=ask)
    slow.start()
    assert entered.wait(60)
    for _ in range(10):
        assert list(roles.permissions_of(("a",))) == ["x:1"]
    release.set()
    slow.join(60)
    assert (len(calls), found[-1]) == (2, ["x:2"])
