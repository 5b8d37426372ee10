"""`flask backend routes`, run as `flask` runs it."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api

from flask_backend_patterns import BackendPatterns, conditional, deprecated, idempotent
from flask_backend_patterns.api.document import export_document
from flask_backend_patterns.audit import CONDITIONS, RouteAudit, route_table
from flask_backend_patterns.auth.declarations import (
    Public,
    RequireAuth,
    RequirePermission,
    RequirePolicy,
    RequireRole,
)
from flask_backend_patterns.cli import backend_group
from flask_backend_patterns.cli.text_layout import width_of
from flask_backend_patterns.declarations import Declaration, Phase
from flask_backend_patterns.guard import declare

ROOT = Path(__file__).parent.parent.parent.parent
WIDTHS = (40, 80, 120, 200)
LONG_RULE = (
    "/api/v1/organizations/<int(max=2147483647):organization_id>/warehouses/<uuid:warehouse_id>/movements"
)


@dataclass(frozen=True, kw_only=True)
class Limited(Declaration):
    phase: ClassVar[Phase] = Phase.ADDRESS_LIMIT
    required: ClassVar[bool] = False

    def audit(self, method):
        return {"limit": "5/minute, by address"}


def make_app():  # noqa: C901 - a view of each kind
    app = Flask("shop")
    BackendPatterns(app)

    @app.get("/")
    @declare(Public(reason="the front page"))
    def home():
        return ""

    @app.post("/auth/login")
    @declare(Public(reason="log in", takes_credentials=True))
    @declare(Limited())
    def login():
        return ""

    @app.get("/api/orders")
    @declare(RequirePermission(permission="orders:read", scoped=True))
    def list_orders():
        return ""

    @app.post("/api/orders")
    @declare(RequirePermission(permission="orders:create"))
    @idempotent(ttl_seconds=600)
    def create_order():
        return ""

    @app.route("/api/orders/<int:order_id>")
    class OneOrder(MethodView):
        @declare(RequirePermission(permission="orders:read", owner=lambda: 1, owner_name="order_owner"))
        @conditional("version")
        def get(self, order_id):
            return ""

        @declare(RequirePermission(permission="orders:update"))
        @conditional("version", current=lambda order_id: 1)
        def patch(self, order_id):
            return ""

    @app.post("/api/orders/<int:order_id>/refund")
    @declare(RequirePolicy(policy="orders:refund"))
    @declare(RequireAuth(fresh_seconds=300))
    def refund(order_id):
        return ""

    @app.get("/admin")
    @declare(RequireRole(roles=("admin", "support")))
    @deprecated(since=0, successor="/console")
    def admin():
        return ""

    @app.get(LONG_RULE)
    @declare(RequireAuth())
    def list_movements(organization_id, warehouse_id):
        return ""

    @app.get("/注文/<name>")
    @declare(Public(reason="für Käufer 🫘 \x1b[31mred\nnext"))
    def wide(name):
        return ""

    @app.delete("/api/forgotten")
    def forgotten():
        return ""

    @declare(RequireAuth())
    @app.get("/api/above")
    def above():
        return ""

    app.above = above  # as a module would keep it
    return app


@pytest.fixture(scope="module")
def app():
    return make_app()


def run(app, *arguments, width=None):
    """By the group as it is made for `flask`; the last test runs the command that `init_app` has added."""
    group = backend_group(export_document=export_document, route_audit=RouteAudit())
    environ = {"COLUMNS": None if width is None else str(width)}
    return app.test_cli_runner().invoke(group, ["routes", *arguments], env=environ)


def rules(result):
    assert result.exit_code == 0, result.output
    return [(route["method"], route["rule"]) for route in json.loads(result.stdout)["routes"]]


def chosen(app, *arguments):
    return rules(run(app, *arguments, "--json"))


# --- For people ---------------------------------------------------------------------------------------------------


def squeezed(text):
    return "".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(app, width):
    """Long rules and wide characters too, and none ends in spaces."""
    result = run(app, width=width)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line for line in lines if width_of(line) > width] == []
    assert [line for line in lines if line != line.rstrip()] == []


def cell_texts(app):
    """Of each route, in order: what has to be readable."""
    for entry in route_table(app):
        columns = {"authentication": "UNDECLARED", **entry.columns} if entry.is_undeclared else entry.columns
        yield (
            entry,
            (entry.location, entry.endpoint, *(text for text in columns.values() if text.isprintable())),
        )


def test_stacked_everything_is_said_below_its_route(app):
    """At 80 columns each route is a block: method and rule, then endpoint and each column with its name."""
    result = run(app, width=80)
    blocks = re.split(r"\n(?=\S)", result.stdout.rpartition("\n\n")[0])
    entries = list(cell_texts(app))
    assert len(blocks) == len(entries)
    for block, (entry, texts) in zip(blocks, entries, strict=True):
        assert block.startswith(entry.method)
        assert [text for text in texts if squeezed(text) not in squeezed(block)] == []


def columns_of(table):
    """The texts of each cell of a table, its wrapped lines joined: `{header: [cells]}`."""
    head, *lines = table.splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    cells = []
    for line in lines:
        parts = [slice_by_width(line, *span) for span in zip(starts, [*starts[1:], 10_000], strict=True)]
        if parts[0]:
            cells.append(parts)
        else:
            cells[-1] = [before + more for before, more in zip(cells[-1], parts, strict=True)]
    return dict(zip(head.split(), map(list, zip(*cells, strict=True)), strict=True))


def slice_by_width(line, start, end):
    place, found = 0, ""
    for character in line:
        if start <= place < end:
            found += character
        place += width_of(character)
    return squeezed(found)


def test_in_a_table_every_cell_is_whole(app):
    """At 200 columns with the columns of access: one row a route, each text in its column."""
    wanted = "endpoint,authentication,roles,permission,ownership,policy"
    result = run(app, "--columns", wanted, width=200)
    table = columns_of(result.stdout.rpartition("\n\n")[0])
    assert list(table) == ["METHOD", "RULE", "ENDPOINT", "AUTH", "ROLES", "PERMISSION", "OWNERSHIP", "POLICY"]
    entries = route_table(app)
    assert table["RULE"] == [squeezed(entry.location) for entry in entries]
    assert table["METHOD"] == [entry.method for entry in entries]
    for header in ("ROLES", "PERMISSION", "OWNERSHIP", "POLICY"):
        assert table[header] == [squeezed(entry.columns.get(header.lower(), "")) for entry in entries]


NARROW = """\
GET   /api/orders
      list_orders; auth: required; permission: orders:read;
      ownership: scoped list
POST  /api/orders
      create_order; auth: required; permission: orders:create;
      idempotency: key required, kept 600 s
"""
TABLE = """\
METHOD  RULE         ENDPOINT      AUTH      PERMISSION     OWNERSHIP    IDEMPOTENCY
GET     /api/orders  list_orders   required  orders:read    scoped list
POST    /api/orders  create_order  required  orders:create               key required, kept 600 s
"""
SUMMARY = re.compile(r"\n2 of \d+ routes: 2 declared \(0 public\), 0 undeclared\.\n")


@pytest.mark.parametrize(("width", "golden"), [(64, NARROW), (80, None), (120, TABLE), (200, TABLE)])
def test_how_it_looks(app, width, golden):
    """Letter by letter: stacked where it is narrow, a table where there is room, empty columns left out."""
    result = run(app, "/api/orders", "--endpoint", "*_order*", width=width)
    shown, _, _ = result.stdout.rpartition("\n\n")
    if golden is not None:
        assert f"{shown}\n" == golden
    assert SUMMARY.search(result.stdout)


def test_piped_is_120_columns(app):
    """The same in every CI, whatever machine it runs on."""
    assert run(app).stdout == run(app, width=120).stdout


def test_no_text_of_the_app_controls_the_terminal(app):
    """An escape sequence in a reason is shown, not obeyed."""
    result = run(app, "注文")
    assert "\x1b" not in result.stdout
    assert r"\x1b[31mred next" in " ".join(result.stdout.split())


def test_the_summary_counts(app):
    """What is open stands out."""
    entries = route_table(app)
    line = run(app).stdout.splitlines()[-1]
    count = len(entries)
    assert line == f"{count} routes: {count - 2} declared (3 public), 2 undeclared."


def test_an_app_without_a_match_says_so(app):
    """0, and what to do."""
    result = run(app, "no-such-thing")
    assert result.exit_code == 0
    assert "No route is like that" in result.stdout


def test_what_is_not_documented_is_noted():
    """In the note, since most routes are; a column of its own when asked for."""
    app = Flask("documented", static_folder=None)
    app.config.update(API_TITLE="x", API_VERSION="1", OPENAPI_VERSION="3.1.0", BACKEND_HEALTH_ENABLED=False)
    BackendPatterns(app)
    Api(app)
    app.add_url_rule("/x", "x", lambda: "")
    assert run(app).stdout.splitlines()[1].split() == ["GET", "/x", "x", "UNDECLARED", "not", "documented"]
    lines = run(app, "--columns", "documented").stdout.splitlines()
    assert lines[1].split() == ["GET", "/x", "no"]


def test_chosen_columns_and_no_others(app):
    """Method and rule are always there."""
    result = run(app, "--columns", "permission", "--columns", "limit", "--permission", "*", width=200)
    assert result.stdout.split("\n")[0].split() == ["METHOD", "RULE", "PERMISSION"]  # no limit on these


# --- Filters ------------------------------------------------------------------------------------------------------

ORDERS = "/api/orders"
ONE = "/api/orders/<int:order_id>"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/api/orders", "--method", "patch"], [("PATCH", ONE)]),
        (["--method", "PATCH,DELETE"], [("DELETE", "/api/forgotten"), ("PATCH", ONE)]),
        (["--method", "PATCH", "--method", "DELETE"], [("DELETE", "/api/forgotten"), ("PATCH", ONE)]),
        (["--permission", "orders:c*"], [("POST", ORDERS)]),
        (["--permission", "orders:read"], [("GET", ORDERS), ("GET", ONE)]),
        (["--permission", "orders"], []),
        (["--role", "support"], [("GET", "/admin")]),
        (["--role", "supp"], []),
        (["--endpoint", "*_order"], [("POST", ORDERS)]),
        (["--undeclared"], [("GET", "/api/above"), ("DELETE", "/api/forgotten")]),
        (["ADMIN"], [("GET", "/admin")]),
        (["list", "orders"], [("GET", ORDERS)]),
        (["/api/*/refund"], [("POST", f"{ONE}/refund")]),
        (["注文"], [("GET", "/注文/<name>")]),
        (["[", "--method", "GET"], []),
    ],
)
def test_filters_narrow(app, arguments, expected):
    """All kinds, together and alone."""
    assert chosen(app, *arguments) == expected


def test_sorted_by_permission(app):
    """Those with one first, so that who may do what stands together."""
    result = json.loads(run(app, "--json", "--sort", "permission").stdout)
    permissions = [route["columns"].get("permission") for route in result["routes"]]
    assert permissions[:4] == ["orders:create", "orders:read", "orders:read", "orders:update"]
    assert set(permissions[4:]) == {None}


# --- For machines ---------------------------------------------------------------------------------------------------


def test_json_is_everything_and_plain(app):
    """Every route with every key, whatever the width, in ASCII."""
    result = run(app, "--json", width=40)
    document = json.loads(result.stdout)
    assert result.stdout.isascii()
    assert document["routes"] == [entry.as_dict() for entry in route_table(app)]
    assert document["summary"]["undeclared"] == 2
    assert document["findings"] == []


def test_json_has_the_findings_too(app):
    """With exit code 1."""
    result = run(app, "--json", "--fail-on", "undeclared")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [found["location"] for found in document["findings"]] == ["/api/above", "/api/forgotten"]


# --- --fail-on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["undeclared"], 2),
        (["public"], 3),
        (["uncached"], 2),
        (["deprecated"], 1),
        (["bypassed"], 1),
        (["undeclared,bypassed"], 3),
        (["undeclared", "bypassed"], 3),
    ],
)
def test_findings_fail(app, names, count):
    """1, with a line for each finding on standard error, and the fix in it."""
    result = run(app, *(part for name in names for part in ("--fail-on", name)))
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == ("1 finding:" if count == 1 else f"{count} findings:")
    assert len(lines) == count + 1
    assert result.stdout == run(app).stdout


@pytest.mark.parametrize("name", ["unlimited-login", "undocumented"])
def test_no_findings_pass(app, name):
    """0 and nothing on standard error: the login has a limit, and there is no document to be in."""
    result = run(app, "--fail-on", name)
    assert (result.exit_code, result.stderr) == (0, "")


def test_only_what_is_shown_is_judged(app):
    """So that one part of an app can be held to a rule."""
    assert run(app, "/admin", "--fail-on", "undeclared").exit_code == 0
    assert run(app, "/api", "--fail-on", "undeclared").exit_code == 1
    assert run(app, "--undeclared", "/admin", "--fail-on", "undeclared").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-on", "nonsense"], ["'nonsense'", *CONDITIONS]),
        (["--fail-on", "undeclared,"], None),
        (["--fail-on", ","], ["names nothing"]),
        (["--columns", "nonsense"], ["'nonsense'", "permission", "limit", "vary_on"]),
        (["--sort", "nonsense"], ["rule", "permission"]),
        (["--method", ""], ["names nothing"]),
        (["misspelt", "--fail-on", "undeclared"], ["nothing to look at"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_wrong_usage_is_told_from_findings(app, arguments, words):
    """2, with what there is to choose from; a filter that fits nothing does not pass for a clean app."""
    result = run(app, *arguments)
    if words is None:
        assert result.exit_code == 1
        return
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    said = " ".join(result.stderr.split())
    assert [word for word in words if word not in said] == []


def test_help_names_every_condition(app):
    """`--help` is where people look."""
    result = run(app, "--help", width=200)
    said = " ".join(result.output.split())
    assert [name for name in CONDITIONS if name not in said] == []
    assert "Exit codes" in said


# --- On a real terminal, by the real command ------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from test_routes import make_app
app = make_app()
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / "shop.py").write_text(PROGRAM.format(folder=str(Path(__file__).parent)))
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    environ |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "TERM": "xterm"}
    return {
        "args": [sys.executable, "-m", "flask", "--app", "shop", "backend", "routes"],
        "cwd": tmp_path,
        "env": environ,
    }


def on_terminal(command, columns, **environ):
    """What the command writes to a terminal of so many columns."""
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    options = command | {"env": command["env"] | environ}
    process = subprocess.Popen(**options, stdin=inside, stdout=inside, stderr=subprocess.PIPE)
    os.close(inside)
    written = b""
    while True:
        try:
            chunk = os.read(outside, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(outside)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    return written.decode()


ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("columns", "environ"),
    [(80, {}), (120, {"NO_COLOR": "1"}), (80, {"COLUMNS": "200"})],
)
def test_on_a_terminal_it_fits_and_has_colour(command, columns, environ):
    """Its width counts, or `COLUMNS`; colour changes no letter; `NO_COLOR` leaves it out."""
    written = on_terminal(command, columns, **environ)
    assert bool(ESCAPE.search(written)) is ("NO_COLOR" not in environ)
    plain = ESCAPE.sub("", written).replace("\r\n", "\n")
    width = int(environ.get("COLUMNS", columns))
    assert plain == run(make_app(), width=width).stdout


def test_any_encoding_of_the_output_will_do(command):
    """Two processes write the same, and what the encoding cannot say is escaped (UTF-8: the terminal above)."""
    outputs = []
    for encoding, seed in (("ascii", "1"), ("ascii", "2"), ("latin-1", "1")):
        environ = command["env"] | {"PYTHONIOENCODING": encoding, "PYTHONHASHSEED": seed}
        done = subprocess.run(**command | {"env": environ}, capture_output=True, check=True, timeout=60)
        outputs.append(done.stdout.decode(encoding))
    assert outputs[0] == outputs[1]
    for output in outputs:
        assert "list_orders" in output


def test_init_app_adds_the_command(app):
    """`flask backend routes` is there without doing anything for it."""
    result = app.test_cli_runner().invoke(args=["backend", "routes", "--json"])
    assert rules(result) == rules(run(app, "--json"))
