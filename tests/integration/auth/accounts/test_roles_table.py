"""Roles in the app's database: saved, inherited, deleted, and never in a state that roles cannot be built from."""

import threading

import pytest
from sqlalchemy import text

from flask_backend_patterns import ConflictError, ValidationError
from flask_backend_patterns.auth.permissions import Reach
from flask_backend_patterns.auth.roles import Roles
from flask_backend_patterns.auth.roles_table import database_roles, delete_role, save_role


def test_saved_roles_are_what_the_setting_takes(app):
    """`BACKEND_AUTH_ROLES = database_roles`: permissions and inheritance arrive."""
    save_role("customer", ["orders:read:own"])
    save_role("support", ["orders:*"], ["customer"])
    save_role("empty", [])
    assert database_roles() == {
        "customer": {"permissions": ["orders:read:own"], "inherits": []},
        "empty": {"permissions": [], "inherits": []},
        "support": {"permissions": ["orders:*"], "inherits": ["customer"]},
    }
    roles = Roles(database_roles, cache_seconds=0, log=app.log)
    assert roles.permissions_of(("customer",)).reach("orders:read") is Reach.OWN
    assert roles.permissions_of(("support",)).reach("orders:write") is Reach.ALL
    assert set(roles.expanded(("support",))) == {"support", "customer"}


def test_saving_again_replaces(app):
    """What it granted and inherited before is gone; other roles are as they were."""
    save_role("parent", ["a:b"])
    save_role("role", ["x:y", "x:z", "x:y"], ["parent"])
    save_role("role", ["x:q"])
    assert database_roles() == {
        "parent": {"permissions": ["a:b"], "inherits": []},
        "role": {"permissions": ["x:q"], "inherits": []},
    }


def test_an_empty_database_has_no_roles(app):
    """Which is not an error."""
    assert database_roles() == {}
    assert delete_role("nothing") is False


IMPOSSIBLE = [
    ("name", ("", ["a:b"])),
    ("name", ("x" * 101, ["a:b"])),
    ("name", ("\x00", ["a:b"])),
    ("name", (" admin", ["a:b"])),
    ("name", ("ad\nmin", ["a:b"])),
    ("permissions", ("role", ["Not A Permission"])),
    ("permissions", ("role", [""])),
    ("permissions", ("role", ["a" * 256])),
    ("inherits", ("role", ["a:b"], ["nobody"])),
    ("inherits", ("role", ["a:b"], ["role"])),
]


def test_what_cannot_be_is_refused(app):
    """As invalid input that names the field; nothing is stored."""
    for field, arguments in IMPOSSIBLE:
        with pytest.raises(ValidationError) as refused:
            save_role(*arguments)
        assert refused.value.details[0]["field"] == field, arguments
        assert database_roles() == {}


def test_roles_cannot_inherit_in_a_circle(app):
    """However long it is; what was saved before stays."""
    save_role("a", [])
    save_role("b", [], ["a"])
    save_role("c", [], ["b"])
    before = database_roles()
    with pytest.raises(ValidationError, match="Invalid"):
        save_role("a", ["x:y"], ["c"])
    assert database_roles() == before


def test_a_role_that_others_inherit_from_is_not_deleted(app):
    """The error names them; afterwards it can be."""
    save_role("parent", ["a:b"])
    save_role("child", ["c:d"], ["parent"])
    with pytest.raises(ConflictError, match="child"):
        delete_role("parent")
    assert delete_role("child")
    assert delete_role("parent")
    assert database_roles() == {}
    for table in ("backend_role_permissions", "backend_role_parents"):
        assert app.db.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("_", range(5))
def test_two_who_save_at_once_make_no_circle(app, _):
    """`a` inherits `b` and `b` inherits `a`, at the same moment: one of them is refused."""
    save_role("a", [])
    save_role("b", [])
    start, got = threading.Barrier(2), []

    def save(name, parent):
        with app.app_context():
            start.wait(60)
            try:
                save_role(name, [], [parent])
                got.append("saved")
            except ValidationError:
                got.append("refused")

    threads = [threading.Thread(target=save, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == ["refused", "saved"]
    Roles(database_roles, cache_seconds=0, log=app.log).permissions_of(("a", "b"))


def test_many_who_save_one_new_role_leave_one(app):
    """8 threads at once: one row, no half of two."""
    start, errors = threading.Barrier(8), []

    def save(number):
        with app.app_context():
            start.wait(60)
            try:
                save_role("role", [f"x:p{number}", f"y:p{number}"])
            except Exception as error:  # noqa: BLE001 - shown below
                errors.append(error)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    first, second = database_roles()["role"]["permissions"]
    assert first.removeprefix("x") == second.removeprefix("y")


def test_saving_is_a_part_of_the_open_transaction(app):
    """Undone with it."""
    with pytest.raises(RuntimeError):
        undone(app)
    assert database_roles() == {}


def undone(app):
    with app.tokens.transaction():
        save_role("role", ["a:b"])
        assert "role" in database_roles()
        raise RuntimeError
