"""What of a response is kept."""

from __future__ import annotations

import io
from http import HTTPStatus

import pytest
from flask import Flask, Response, request, send_file
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, NotFound

from flask_backend_patterns import AppError, SetupError
from flask_backend_patterns.api.idempotency.stored_response import (
    LEFT_OUT,
    capture,
    is_kept,
    parse_headers,
    replay,
)
from flask_backend_patterns.errors import InvalidInputError, MalformedJSONError, ValidationError

app = Flask("stored")
PASSING = {401, 403, 405, 406, 408, 412, 413, 415, 425, 428, 429}


@pytest.mark.parametrize("status", sorted(map(int, HTTPStatus)))
def test_each_status_is_kept_or_not(status):
    """Every status that HTTP knows: server errors and refusals before anything was done are not kept."""
    assert is_kept(Response(status=status), None) is (status < 500 and status not in PASSING)


def tree(error: type[AppError]) -> list[type[AppError]]:
    return [error, *(found for below in error.__subclasses__() for found in tree(below))]


@pytest.mark.parametrize(
    "kind", [kind for kind in tree(AppError) if kind.__module__.startswith("flask_backend")]
)
def test_each_error_of_ours_is_kept_or_not(kind):
    """`refused` says that nothing was done; the status says the rest."""
    error = kind.__new__(kind)  # what its maker is told is no matter here
    kept = error.status < 500 and error.status not in PASSING and not kind.refused
    assert is_kept(Response(status=error.status), error) is kept
    assert not is_kept(Response(status=422), InvalidInputError())
    assert not is_kept(Response(status=400), MalformedJSONError())
    assert is_kept(Response(status=422), ValidationError())


def test_a_foreign_error_is_kept_by_what_it_means():
    """Flask's exceptions count as what they are translated to, unknown ones by the answer the app gave."""
    assert is_kept(Response(status=404), NotFound())
    assert is_kept(Response(status=400), BadRequest("no such thing"))
    assert is_kept(Response(status=409), ZeroDivisionError())
    with (
        app.test_request_context(data="{", content_type="application/json", method="POST"),
        pytest.raises(BadRequest) as caught,
    ):
        request.get_json()
    assert not is_kept(Response(status=400), caught.value)


@settings(deadline=None)  # the machine is shared
@given(
    body=st.binary(max_size=50),
    status=st.sampled_from([200, 201, 202, 204, 303, 404, 422]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["Link", "ETag", "X-Own", "Content-Type"]), st.text('abc <>;=é"', max_size=9)
        )
    ),
)
def test_a_response_comes_back_as_it_was(body, status, headers):
    """Status, header lines in order, body; through JSON too. The original can still be sent."""
    with app.test_request_context():
        original = Response(body, status=status)
        original.headers.clear()
        original.headers.extend(headers)
        stored = capture(original, max_bytes=50)
        again = replay(stored)
    assert parse_headers(stored.header_text()) == stored.headers
    assert original.get_data() == body
    assert again.get_data() == body
    assert again.status_code == status
    own = [(name, value) for name, value in again.headers if name != "Idempotency-Replayed"]
    assert own == [(name, value) for name, value in original.headers if name != "Content-Length"]


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_belongs_to_one_answer_is_left_out(name):
    """Cookies, dates, ids, lengths and what concerns the connection."""
    response = Response("x")
    response.headers[name.title()] = "1"
    assert name not in {header.lower() for header, _ in capture(response, max_bytes=9).headers}


class Tape:
    """A stream that knows whether it was closed."""

    def __init__(self, parts):
        self.parts = iter(parts)
        self.closed = False

    def __iter__(self):
        return self.parts

    def close(self):
        self.closed = True


def test_a_stream_is_read_and_closed_with_the_response():
    """Its bytes are stored; whoever made it is told when the response is done."""
    tape = Tape([b"a", "ü", b"c"])
    response = Response(tape)
    assert capture(response, max_bytes=9).body == b"a\xc3\xbcc"
    assert response.get_data() == b"a\xc3\xbcc"
    assert not tape.closed
    response.close()
    assert tape.closed


def test_a_file_is_read():
    """`send_file`, which a server would send by itself."""
    with app.test_request_context():
        response = send_file(io.BytesIO(b"12345"), mimetype="text/plain")
        assert capture(response, max_bytes=5).body == b"12345"
        assert response.get_data() == b"12345"
        response.close()


@pytest.mark.parametrize("body", ["123456", (part for part in ["123", "456"])], ids=["whole", "stream"])
def test_a_body_too_large_is_refused(body):
    """The error names the setting; a stream without end is not read to its end."""
    with pytest.raises(SetupError, match="MAX_RESPONSE_BYTES"):
        capture(Response(body), max_bytes=5)

    def endless():
        while True:
            yield b"x" * 100

    with pytest.raises(SetupError, match="more than 1000 bytes"):
        capture(Response(endless()), max_bytes=1000)
