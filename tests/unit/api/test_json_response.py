"""Responses with a dumped value are sent as Flask's own class would send them."""

from __future__ import annotations

import pickle

import pytest
from flask import Flask, Response
from werkzeug.test import create_environ, run_wsgi_app

from flask_backend_patterns.api.json_response import JSONResponse, response_class_of

BODY = b'{"data":{"id":1}}'


def change_nothing(_: Response) -> None:
    """As it was made."""


def set_location(response: Response) -> None:
    """What Werkzeug makes a URL of."""
    response.headers["Location"] = "/ítems/1"


def set_content_location(response: Response) -> None:
    """The other one."""
    response.headers["content-location"] = "/ítems/1"


def take_length_away(response: Response) -> None:
    """Werkzeug finds it out again."""
    del response.headers["Content-Length"]


def stream(response: Response) -> None:
    """A body whose length nobody knows."""
    response.response = iter([BODY, BODY])
    del response.headers["Content-Length"]


def send_text(response: Response) -> None:
    """A body that has still to be encoded."""
    response.response = ["é"]
    response.headers["Content-Length"] = "2"


def send_chunks(response: Response) -> None:
    """A list of several."""
    response.response = [BODY, BODY]
    response.headers["Content-Length"] = str(2 * len(BODY))


def pass_through(response: Response) -> None:
    """What `send_file` does."""
    response.direct_passthrough = True


def repeat_a_header(response: Response) -> None:
    """Two lines of one name."""
    response.headers.add("Link", "</a>; rel=next")
    response.headers.add("Link", "</b>; rel=last")


CHANGES = (
    change_nothing,
    set_location,
    set_content_location,
    take_length_away,
    stream,
    send_text,
    send_chunks,
    pass_through,
    repeat_a_header,
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("status", [102, 200, 201, 204, 206, 299, 304, 400, 404, 500])
@pytest.mark.parametrize("change", CHANGES)
def test_it_is_sent_like_flasks_own(change, status, method):
    """Status, headers in their order, and body are those of `flask.Response`, whatever is done to it before."""
    sent = []
    for kind in (Response, JSONResponse):
        response = kind(BODY, status=status, content_type="application/json")
        change(response)
        iterable, said, headers = run_wsgi_app(response, create_environ("/x/y?z=1", method=method))
        sent.append((b"".join(iterable), said, list(headers)))
    assert sent[0] == sent[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_wants_to_be_told_of_its_end_is_told(method):
    """`call_on_close` works as ever: also for who asks when the response is being sent already."""
    told = []
    response = JSONResponse(BODY)
    response.call_on_close(lambda: told.append("early"))
    iterable, _, _ = response.get_wsgi_response(create_environ(method=method))
    response.call_on_close(lambda: told.append("late"))
    assert b"".join(iterable) == (BODY if method == "GET" else b"")
    assert told == []
    iterable.close()
    assert told == ["early", "late"]


def test_what_is_sent_can_be_changed_without_changing_the_response():
    """The list handed to the server is a copy: a response may be sent again."""
    response = JSONResponse(BODY)
    _, _, headers = response.get_wsgi_response(create_environ())
    headers.append(("X-Late", "1"))
    assert "X-Late" not in response.headers


def test_it_can_be_pickled():
    """Caches of responses pickle them."""
    again = pickle.loads(pickle.dumps(JSONResponse(BODY, status=201)))
    assert (type(again), again.status_code, again.data) == (JSONResponse, 201, BODY)


def test_an_apps_own_class_stays():
    """An app with a `response_class` gets responses of that class, from the moment it sets it."""
    app = Flask("x")
    assert response_class_of(app) is JSONResponse

    class Own(Response):
        pass

    app.response_class = Own
    assert response_class_of(app) is Own
