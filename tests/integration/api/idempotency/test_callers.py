"""Whose a stored answer is."""

import time
import uuid

import pytest
from flask import Flask, request, session
from flask.sessions import SessionInterface
from werkzeug.datastructures import CallbackDict

from flask_backend_patterns import ConflictError
from flask_backend_patterns.api.caller import default_caller
from flask_backend_patterns.api.idempotency import idempotent

KEY = {"Idempotency-Key": "order-1"}


class Sessions(SessionInterface):
    """Kept at the server; the cookie has only their number."""

    class Session(CallbackDict):
        modified = accessed = permanent = new = False

    def open_session(self, app, request):
        return self.Session()

    def save_session(self, app, session, response):
        pass


def caller_of(app: Flask | None = None, **options) -> str:
    app = app or Flask("callers")
    app.secret_key = "k"
    with app.test_request_context(**{"environ_base": {"REMOTE_ADDR": "10.0.0.1"}, **options}):
        return default_caller()


def signed(app: Flask, contents: dict, issued: int = 0) -> dict:
    """The header with Flask's own session cookie, signed that many seconds ago."""
    app.secret_key = "k"
    serializer = app.session_interface.get_signing_serializer(app)
    signer = serializer.make_signer(serializer.salt)
    signer.get_timestamp = lambda: int(time.time()) - issued
    payload = serializer.dump_payload(contents)
    return {"Cookie": f"session={signer.sign(payload).decode()}"}


def test_each_credential_makes_another_caller():
    """Behind one address too, and in one header as well as in another; only without any it is the address."""
    app = Flask("callers")
    found = {
        caller_of(app),
        caller_of(app, environ_base={"REMOTE_ADDR": "10.0.0.2"}),
        *(caller_of(app, headers={name: value}) for name in ("Authorization", "X-API-Key") for value in "ab"),
        *(caller_of(app, headers=signed(app, {"user": user})) for user in (1, 2)),
    }
    assert len(found) == 8
    headers = [{"Authorization": "ab"}, {"Authorization": "a", "X-API-Key": "b"}, {"X-API-Key": "ab"}]
    assert len({caller_of(app, headers=sent) for sent in headers}) == 3
    assert caller_of(app) == "address:10.0.0.1"


def test_no_credential_is_kept():
    """Only a hash."""
    app = Flask("callers")
    for headers in ({"Authorization": "secret"}, {"X-API-Key": "secret"}, signed(app, {"user": "secret"})):
        assert "secret" not in caller_of(app, headers=headers)


def test_a_session_that_is_signed_again_is_the_same_caller():
    """A permanent session's cookie is new with every answer."""
    app = Flask("callers")
    cookies = [signed(app, {"user": 7}, issued) for issued in (0, 60)]
    assert cookies[0] != cookies[1]
    callers = {caller_of(app, headers=cookie) for cookie in cookies}
    assert len(callers) == 1
    assert callers != {caller_of(app)}


def test_a_forged_session_is_nobody():
    """Its contents are not looked at without the right signature."""
    app = Flask("callers")
    cookie = signed(app, {"user": 7})["Cookie"]
    assert caller_of(app, headers={"Cookie": cookie[:-4] + "AAAA"}) == "address:10.0.0.1"
    assert caller_of(app, headers={"Cookie": "theme=dark"}) == "address:10.0.0.1"


def test_a_session_kept_at_the_server_is_told_by_its_cookie():
    """Whatever it holds."""
    app = Flask("callers")
    app.session_interface = Sessions()
    assert len({caller_of(app, headers={"Cookie": f"session={number}"}) for number in (1, 2)}) == 2


def test_a_session_changed_before_the_view_is_still_the_same_caller(make_app, sqlite_url):
    """What counts is the cookie that was sent: a retry sends it again."""
    app = make_app(sqlite_url)
    app.secret_key = "k"

    @app.before_request
    def note_time():
        session["seen"] = uuid.uuid4().hex

    def pay():
        return {"user": session["user"]}

    app.add_url_rule("/pay", "pay", idempotent()(pay), methods=["POST"])
    answers = [
        app.test_client(use_cookies=False).post("/pay", headers=KEY | signed(app, {"user": user}))
        for user in (1, 1, 2)
    ]
    assert [answer.json["user"] for answer in answers] == [1, 1, 2]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true", None]


@pytest.mark.parametrize("nobody", [None, ""])
def test_callers_without_a_name_do_not_share_keys(nobody, make_app, sqlite_url):
    """The function names nobody who is not logged in; credentials or the address tell them apart."""
    app = make_app(sqlite_url, caller=lambda: nobody)
    app.add_url_rule("/own", "own", idempotent()(lambda: request.headers["Authorization"]), methods=["POST"])
    answers = [app.test_client().post("/own", headers=KEY | {"Authorization": name}) for name in "aba"]
    assert [answer.text for answer in answers] == ["a", "b", "a"]
    assert answers[2].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("name", [7, 0, uuid.UUID(int=7), b"raw", "\ud800"], ids=repr)
def test_a_caller_may_be_named_by_any_id(name, make_app, sqlite_url):
    """A number or a UUID of the app's own users will do."""
    app = make_app(sqlite_url, caller=lambda: name)
    app.add_url_rule("/own", "own", idempotent()(lambda: "done"), methods=["POST"])
    answers = [app.test_client().post("/own", headers=KEY | {"Authorization": token}) for token in "ab"]
    assert answers[1].headers["Idempotency-Replayed"] == "true"


def test_an_async_error_handler_answers_for_an_async_view(make_app, sqlite_url):
    """The view's thread runs an event loop already when its error is handled; the answer is stored as always."""
    app = make_app(sqlite_url)

    @app.errorhandler(ConflictError)
    async def handle(error):
        return "mine", error.status

    async def view():
        raise ConflictError

    app.add_url_rule("/async-error", "view", idempotent()(view), methods=["POST"])
    answers = [app.test_client().post("/async-error", headers=KEY) for _ in range(2)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(409, "mine")] * 2
    assert answers[1].headers["Idempotency-Replayed"] == "true"
