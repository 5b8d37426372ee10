"""`flask backend openapi export`, run as `flask` runs it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from flask import Flask
from flask_smorest import Api
from marshmallow import Schema, fields

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.api.document import export_document
from flask_backend_patterns.cli import backend_group
from flask_backend_patterns.observability.events import event_of

ROOT = Path(__file__).parent.parent.parent.parent
COMMAND = ("backend", "openapi", "export")


def make_app(*prefixes, title="Käse"):
    """An app with one API for each config prefix, `""` for the one without."""
    app = Flask(__name__)
    BackendPatterns(app)
    for prefix in prefixes:
        start = f"{prefix}_" if prefix else ""
        app.config.update(
            {
                f"{start}API_TITLE": f"{title} {prefix}".strip(),
                f"{start}API_VERSION": "1",
                f"{start}OPENAPI_VERSION": "3.1.0",
            }
        )
        api = Api(app, config_prefix=prefix)
        blp = Blueprint(f"beans{prefix}", __name__, url_prefix=f"/api{prefix}/beans")
        schema = Schema.from_dict({"kind": fields.String(), "at": fields.DateTime()}, name="BeanSchema")

        @blp.get("/")
        @blp.response(200, schema)
        def beans():
            """All beans."""

        api.register_blueprint(blp)
    return app


def run(app, *arguments):
    return app.test_cli_runner().invoke(args=[*COMMAND, *map(str, arguments)])


def test_it_prints_json():
    """The document in UTF-8, `openapi` first, with a newline at the end."""
    result = run(make_app(""))
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("}\n")
    document = json.loads(result.stdout)
    assert list(document)[:2] == ["openapi", "info"]
    assert document["info"]["title"] == "Käse"
    assert "Käse" in result.stdout


@pytest.mark.parametrize(
    ("name", "options", "load"),
    [
        ("openapi.json", [], json.loads),
        ("openapi.yaml", [], yaml.safe_load),
        ("OPENAPI.YML", [], yaml.safe_load),
        ("openapi", [], json.loads),
        ("openapi.txt", ["--format", "yaml"], yaml.safe_load),
        ("openapi.yaml", ["--format", "json"], json.loads),
    ],
)
def test_it_writes_the_format_of_the_file(tmp_path, name, options, load):
    """By the file's name unless `--format` says otherwise; what was there before is replaced."""
    app, file = make_app(""), tmp_path / name
    file.write_text("what was there before, and is longer than a document of an app with one view" * 100)
    result = run(app, "--output", file, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert str(file) in result.stderr
    content = file.read_bytes()
    assert content.endswith(b"\n")
    assert load(content) == json.loads(run(app).stdout)
    if load is json.loads:
        assert content.lstrip().startswith(b"{")
    else:
        assert not content.startswith(b"{")


def test_a_dash_is_the_standard_output():
    """As everywhere on a command line."""
    app = make_app("")
    assert run(app, "--output", "-").stdout == run(app).stdout


APP_FILE = """
import sys
sys.path.insert(0, {folder!r})
from test_openapi_export import make_app
app = make_app("")
"""


def test_two_processes_write_the_same_bytes(tmp_path):
    """`flask --app ... backend openapi export` is the same whatever the hash seed; a file in the repository stays as it is."""
    (tmp_path / "shop.py").write_text(APP_FILE.format(folder=str(Path(__file__).parent)))
    outputs = {
        subprocess.run(
            [sys.executable, "-m", "flask", "--app", "shop", *COMMAND],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert outputs == {export_document(make_app(""))}


# --- --check -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openapi.json", "openapi.yaml"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_current_file_passes(tmp_path, name, line_end):
    """0, also where version control changed the line ends."""
    app, file = make_app(""), tmp_path / name
    run(app, "--output", file)
    file.write_bytes(file.read_bytes().replace(b"\n", line_end))
    result = run(app, "--check", file)
    assert (result.exit_code, result.stdout) == (0, ""), result.output


def test_an_outdated_file_fails_and_is_left_as_it_is(tmp_path):
    """1, the lines that differ, and the command that mends it."""
    file = tmp_path / "openapi.json"
    run(make_app("", title="Old"), "--output", file)
    before = file.read_bytes()
    result = run(make_app("", title="New"), "--check", file)
    assert result.exit_code == 1
    assert "1 line to add, 1 line to remove" in result.stderr
    assert '-    "title": "Old",' in result.stderr
    assert '+    "title": "New",' in result.stderr
    assert f"flask backend openapi export --output {file}" in result.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00 not text", b"{}\n" * 50_000])
def test_any_other_file_fails_shortly(tmp_path, content):
    """Whatever is in the file, the summary fits a screen or two."""
    file = tmp_path / "openapi.json"
    file.write_bytes(content)
    result = run(make_app(""), "--check", file)
    assert result.exit_code == 1
    assert "more lines" in result.stderr
    assert result.stderr.count("\n") < 40


def test_a_missing_file_is_out_of_date(tmp_path):
    """1, with the command that writes it; nothing is written by the check."""
    file = tmp_path / "openapi.json"
    result = run(make_app(""), "--check", file)
    assert (result.exit_code, "does not exist" in result.stderr) == (1, True)
    assert not file.exists()


# --- Exit code 2 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefixes", "arguments", "words"),
    [
        ([], [], ["no flask_smorest.Api", "Api(app)"]),
        (["V1", "V2"], [], ["2 APIs", "'V1'", "'V2'"]),
        (["V1", "V2"], ["--api", "V3"], ["'V3'", "'V1'", "'V2'"]),
        ([""], ["--api", "V1"], ["'V1'"]),
        ([""], ["--format", "xml"], ["json", "yaml"]),
        ([""], ["--output", "a.json", "--check", "b.json"], ["either --output or --check"]),
        ([""], ["--output", "no/such/folder/a.json"], ["cannot be written"]),
        ([""], ["--output", "."], ["directory"]),
        ([""], ["--check", "."], ["directory"]),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, prefixes, arguments, words):
    """2, and what to do about it; no traceback, nothing printed as if it were a document."""
    monkeypatch.chdir(tmp_path)
    result = run(make_app(*prefixes), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert [word for word in words if word not in result.stderr] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chosen", ["V2", "v2", "V2_"])
def test_one_of_several_apis_is_chosen(chosen):
    """By its config prefix, the way the app spells it or not."""
    result = run(make_app("V1", "V2"), "--api", chosen)
    assert json.loads(result.stdout)["info"]["title"] == "Käse V2"


def test_the_api_without_a_prefix_can_be_chosen():
    """An empty prefix is a name too, where there are others."""
    result = run(make_app("", "V2"), "--api", "")
    assert json.loads(result.stdout)["info"]["title"] == "Käse"


def test_without_pyyaml_yaml_says_what_to_install(monkeypatch):
    """2 with the command; JSON needs nothing."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    app = make_app("")
    result = run(app, "--format", "yaml")
    assert (result.exit_code, "pip install pyyaml" in result.stderr) == (2, True)
    assert run(app).exit_code == 0


# --- The group ---------------------------------------------------------------------------------------------------


def app_with_a_command():
    """An app that has a command `backend` before it gets the extension."""
    app = Flask(__name__)

    @app.cli.command("backend")
    def backend():
        """The app's own."""
        click.echo("own")

    BackendPatterns(app)
    return app


def test_a_backend_command_of_the_app_stays(caplog):
    """The app's own command runs, and the log says that ours is not there."""
    caplog.set_level(logging.WARNING, "flask_backend_patterns")
    app = app_with_a_command()
    assert app.test_cli_runner().invoke(args=["backend"]).stdout == "own\n"
    events = [event for event in map(event_of, caplog.records) if event]
    assert [(event["event"], event["command"]) for event in events] == [("cli_command_taken", "backend")]


def test_an_app_without_a_command_of_its_own_is_told_nothing(caplog):
    """No warning where there is nothing to look at."""
    caplog.set_level(logging.WARNING, "flask_backend_patterns")
    make_app("")
    assert [event for event in map(event_of, caplog.records) if event] == []


def test_ours_can_be_added_by_another_name():
    """`backend_group` beside the app's own command, as docs/openapi.md says."""
    app = app_with_a_command()
    app.config.update(API_TITLE="Coffee", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    Api(app)
    app.cli.add_command(backend_group(export_document=export_document), "kit")
    result = app.test_cli_runner().invoke(args=["kit", "openapi", "export"])
    assert json.loads(result.stdout)["info"]["title"] == "Coffee"


@pytest.mark.parametrize(
    "settings", [{}, {"BACKEND_API_DOCS_PATH": "/docs"}, {"BACKEND_API_ENABLED": False}], ids=str
)
def test_the_command_does_not_depend_on_the_page(settings):
    """`init_app` adds it whether `/docs` is on, off, or left out with the API layer."""
    app = Flask(__name__)
    app.config.update(API_TITLE="Coffee", API_VERSION="1", OPENAPI_VERSION="3.1.0", **settings)
    BackendPatterns(app)
    Api(app)
    assert json.loads(run(app).stdout)["info"]["title"] == "Coffee"


def test_a_backend_command_that_comes_later_wins():
    """As in Flask itself: the last one registered counts."""
    app = make_app("")

    @app.cli.command("backend")
    def backend():
        click.echo("own")

    assert app.test_cli_runner().invoke(args=["backend"]).stdout == "own\n"


def test_two_apps_have_commands_of_their_own():
    """The command of one app exports that app."""
    first, second = make_app("", title="First"), make_app("", title="Second")
    titles = [json.loads(run(app).stdout)["info"]["title"] for app in (first, second)]
    assert titles == ["First", "Second"]


@pytest.mark.parametrize("arguments", [["backend"], ["backend", "openapi"], [*COMMAND]])
def test_each_level_explains_itself(arguments):
    """`--help` of the groups and the command."""
    result = make_app("").test_cli_runner().invoke(args=[*arguments, "--help"])
    assert result.exit_code == 0
    assert "OpenAPI document" in result.stdout
