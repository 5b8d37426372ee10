"""`assert_routes_match`: the routes of an app as a file that a pull request shows changes of."""

import pytest
from flask import Flask

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns.auth.declarations import Public, RequirePermission
from flask_backend_patterns.guard import declare
from flask_backend_patterns.testing import assert_routes_match, routes_snapshot

UPDATE, CI = "BACKEND_UPDATE_SNAPSHOTS", "CI"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    """As on a developer's machine, whatever machine this runs on."""
    monkeypatch.delenv(UPDATE, raising=False)
    monkeypatch.delenv(CI, raising=False)


def make_app(permission="orders:read", *, reason="the front page", extra=0):
    app = Flask("snapshot", static_folder=None)
    app.config["BACKEND_HEALTH_ENABLED"] = False
    BackendPatterns(app)

    @app.get("/api/orders")
    @declare(RequirePermission(permission=permission, scoped=True))
    def list_orders():
        return {}

    @app.get("/")
    @declare(Public(reason=reason))
    def home():
        return ""

    @app.post("/open")
    def forgotten():
        return ""

    for number in range(extra):
        app.add_url_rule(f"/extra/{number}", f"extra_{number}", forgotten)
    return app


SNAPSHOT = """\
GET /  home  auth="public: the front page"
GET /api/orders  list_orders  auth=required permission=orders:read (scoped list)
POST /open  forgotten  auth=UNDECLARED
"""


def test_a_line_for_each_route_and_method():
    """In a stable order, with what is declared."""
    assert routes_snapshot(make_app()) == SNAPSHOT


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_same_routes_pass(tmp_path, line_end):
    """Also where version control changed the line ends."""
    file = tmp_path / "routes.txt"
    file.write_bytes(SNAPSHOT.replace("\n", line_end).encode())
    assert_routes_match(make_app(), file)
    assert_routes_match(make_app(), str(file))


def test_a_changed_permission_is_one_line_out_and_one_in(tmp_path):
    """The failure shows it and how to write the file again; the file stays."""
    file = tmp_path / "routes.txt"
    file.write_text(SNAPSHOT)
    with pytest.raises(AssertionError) as raised:
        assert_routes_match(make_app("orders:list"), file)
    said = str(raised.value).splitlines()
    assert [line for line in said if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        "-GET /api/orders  list_orders  auth=required permission=orders:read (scoped list)",
        "+GET /api/orders  list_orders  auth=required permission=orders:list (scoped list)",
    ]
    assert f"{UPDATE}=1" in said[-1]
    assert file.read_text() == SNAPSHOT


def test_a_missing_file_says_how_to_write_it(tmp_path):
    """Nothing is written without being asked for."""
    file = tmp_path / "new" / "routes.txt"
    with pytest.raises(AssertionError, match=rf"does not exist.*{UPDATE}=1"):
        assert_routes_match(make_app(), file)
    assert not file.parent.exists()


@pytest.mark.parametrize("before", [None, "something else\n", SNAPSHOT])
def test_the_file_is_written_when_asked(tmp_path, monkeypatch, before):
    """With its folder; the next run passes."""
    file = tmp_path / "new" / "routes.txt"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    monkeypatch.setenv(UPDATE, "1")
    assert_routes_match(make_app(), file)
    assert file.read_bytes() == SNAPSHOT.encode()
    monkeypatch.delenv(UPDATE)
    assert_routes_match(make_app(), file)


@pytest.mark.parametrize("word", ["1", "true", "yes"])
def test_nothing_is_written_in_ci(tmp_path, monkeypatch, word):
    """A build that mends its own check would never be red."""
    file = tmp_path / "routes.txt"
    file.write_text("old\n")
    monkeypatch.setenv(UPDATE, "1")
    monkeypatch.setenv(CI, word)
    with pytest.raises(AssertionError, match="not written in CI"):
        assert_routes_match(make_app(), file)
    assert file.read_text() == "old\n"
    file.write_text(SNAPSHOT)
    assert_routes_match(make_app(), file)


@pytest.mark.parametrize("word", ["", "0", "false", "no", "off", "FALSE"])
def test_a_no_is_a_no(tmp_path, monkeypatch, word):
    """`BACKEND_UPDATE_SNAPSHOTS=0` writes nothing, `CI=false` is no CI."""
    file = tmp_path / "routes.txt"
    monkeypatch.setenv(UPDATE, word)
    with pytest.raises(AssertionError, match="does not exist"):
        assert_routes_match(make_app(), file)
    monkeypatch.setenv(UPDATE, "1")
    monkeypatch.setenv(CI, word)
    assert_routes_match(make_app(), file)
    assert file.exists()


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ('with "quotes"', r'"public: with \"quotes\""'),
        ("two\nlines", '"public: two lines"'),
        ("käse 注文", '"public: käse 注文"'),
        ("esc\x1b[31m", r'"public: esc\\x1b[31m"'),
        ("half \udc80", r'"public: half \\udc80"'),
    ],
)
def test_any_text_is_one_line_of_utf_8(tmp_path, monkeypatch, reason, shown):
    """Whatever somebody has written into a reason."""
    app, file = make_app(reason=reason), tmp_path / "routes.txt"
    monkeypatch.setenv(UPDATE, "1")
    assert_routes_match(app, file)
    assert file.read_text("utf-8").splitlines()[0] == f"GET /  home  auth={shown}"
    monkeypatch.delenv(UPDATE)
    assert_routes_match(app, file)


def test_a_file_of_another_kind_is_a_plain_failure(tmp_path):
    """Bytes that are no text, and thousands of changed routes, end in a message of bounded length."""
    file = tmp_path / "routes.txt"
    file.write_bytes(b"\xff\xfe\x00" * 100)
    with pytest.raises(AssertionError, match="have changed"):
        assert_routes_match(make_app(), file)
    file.write_text(SNAPSHOT)
    with pytest.raises(AssertionError, match="and 104 more lines") as raised:
        assert_routes_match(make_app(extra=302), file)
    assert str(raised.value).count("\n") < 210


def test_a_bypassed_declaration_shows_in_the_snapshot():
    """Moving a decorator above the route is a changed line."""
    app = Flask("bypassed", static_folder=None)
    app.config["BACKEND_HEALTH_ENABLED"] = False
    BackendPatterns(app)

    @declare(RequirePermission(permission="x:read"))
    @app.get("/x")
    def x():
        return ""

    assert routes_snapshot(app) == "GET /x  x  auth=UNDECLARED bypassed=RequirePermission\n"
