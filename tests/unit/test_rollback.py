"""What a failed block did to an app is taken back, at every depth."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_backend_patterns._rollback import restored_on_failure


def hooked_app() -> Flask:
    app = Flask("hooked")
    app.after_request(lambda response: response)
    app.register_error_handler(404, lambda _error: "page")
    app.extensions["theirs"] = {"list": [1]}
    app.config["LIST"] = ["a"]
    return app


def change(app: Flask) -> None:
    app.after_request(lambda response: response)
    app.before_request(lambda: None)
    app.register_error_handler(404, lambda _error: "other")
    app.register_error_handler(ValueError, lambda _error: "other")
    app.extensions["theirs"]["list"].append(2)
    app.extensions["ours"] = 1
    app.config["LIST"].append("b")
    app.config["KEY"] = "value"
    app.cli.command("added")(lambda: None)
    app.wsgi_app = None


def seen(app: Flask) -> list[object]:
    spec = {
        key: {code: dict(inner) for code, inner in value.items()}
        for key, value in app.error_handler_spec.items()
    }
    return [
        {key: list(value) for key, value in app.after_request_funcs.items()},
        {key: list(value) for key, value in app.before_request_funcs.items()},
        spec,
        {key: repr(value) for key, value in app.extensions.items()},
        {key: repr(value) for key, value in app.config.items()},
        sorted(app.cli.commands),
        app.wsgi_app,
    ]


def test_a_failure_takes_back_everything():
    """Lists inside dicts, the handlers' tree, config, commands, attributes; callbacks run in reverse order."""
    app, called = hooked_app(), []
    before, config, funcs = seen(app), app.config, app.after_request_funcs

    def fail() -> None:
        with restored_on_failure(app) as undo:
            undo.callback(called.append, 1)
            undo.callback(called.append, 2)
            change(app)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen(app) == before
    assert called == [2, 1]
    assert (app.config, app.after_request_funcs) == (config, funcs)
    assert app.config is config


def test_a_success_keeps_everything():
    """Nothing is taken back, no callback runs."""
    app, called = hooked_app(), []
    with restored_on_failure(app) as undo:
        undo.callback(called.append, 1)
        change(app)
    assert app.config["LIST"] == ["a", "b"]
    assert called == []
