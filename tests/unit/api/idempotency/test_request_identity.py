"""Which requests are the same one."""

from __future__ import annotations

import string

import pytest
from flask import Flask, request
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_backend_patterns import BadRequestError
from flask_backend_patterns.api.idempotency.request_identity import fingerprint, read_key, scoped_key

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
BARE = "".join(set(PRINTABLE) - set(' ",;\\'))
app = Flask("identity")


@app.post("/items/<int:item_id>", endpoint="items")
@app.post("/things/<int:item_id>", endpoint="things")
def view(item_id):
    return str(item_id)


def key_of(header: str) -> str | None:
    with app.test_request_context(headers={"Idempotency-Key": header}):
        return read_key(request)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@settings(deadline=None)  # the machine is shared
@given(st.text(PRINTABLE, min_size=1, max_size=255))
def test_any_printable_text_can_be_quoted(text):
    """RFC 8941 strings: quotes and backslashes are escaped, spaces and commas are not special."""
    assert key_of(quoted(text)) == text
    assert key_of(f" \t{quoted(text)} ") == text


@settings(deadline=None)  # the machine is shared
@given(st.text(BARE, min_size=1, max_size=255))
def test_a_bare_key_is_taken_as_it_is(text):
    """What clients send without quotes."""
    assert key_of(text) == text


@settings(deadline=None)  # the machine is shared
@given(st.text(string.printable + "é\x00\x7f€\ud800", max_size=300))
def test_any_header_gives_a_key_or_a_400(text):
    """Nothing that a client sends is a server error; a key that is taken is 1 to 255 printable characters."""
    with app.test_request_context():
        request.headers = {"Idempotency-Key": text}  # past the test client's own checks
        key = refusal = None
        try:
            key = read_key(request)
        except BadRequestError as error:
            refusal = error
        if refusal is None:
            assert 1 <= len(key) <= 255
            assert set(key) <= set(PRINTABLE)
        else:
            assert refusal.details[0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("character", sorted(set(PRINTABLE) - set(BARE)))
def test_what_separates_values_is_not_part_of_a_bare_key(character):
    """Several headers arrive joined by commas; parameters begin with a semicolon."""
    with pytest.raises(BadRequestError):
        key_of(f"a{character}b")


@pytest.mark.parametrize(("length", "fits"), [(255, True), (256, False)])
def test_the_length_counts_without_quotes_and_escapes(length, fits):
    """255 characters, however they are written."""
    for header in (quoted('"' * length), quoted("a" * length), "a" * length):
        if fits:
            assert len(key_of(header)) == length
        else:
            with pytest.raises(BadRequestError):
                key_of(header)


def test_no_header_is_no_key():
    """None, so that the view may decide."""
    with app.test_request_context():
        assert read_key(request) is None


SAME = {"path": "/items/1", "method": "POST", "caller": "anna", "key": "k", "prefix": "", "app": "shop"}


def scoped(**changed) -> str:
    wanted = SAME | changed
    environ = {"SCRIPT_NAME": wanted["prefix"]}
    with app.test_request_context(wanted["path"], method=wanted["method"], environ_overrides=environ):
        return scoped_key(request, app=wanted["app"], caller=wanted["caller"], key=wanted["key"])


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/items/2"},
        {"path": "/things/1"},
        {"method": "OPTIONS"},
        {"app": "admin"},
        {"caller": "bert"},
        {"key": "l"},
        {"prefix": "/mounted"},
        {"caller": 'anna", "', "key": ""},
    ],
    ids=str,
)
def test_a_key_counts_within_app_caller_method_route_and_path(changed):
    """Each of them makes another key, and none can be moved into its neighbour."""
    assert scoped(**changed) != scoped()
    assert len(scoped()) == 64


def test_a_subdomain_has_keys_of_its_own():
    """Tenants by subdomain share paths."""
    tenants = Flask("tenants", subdomain_matching=True)
    tenants.config["SERVER_NAME"] = "shop.example"
    tenants.add_url_rule("/", "view", view, subdomain="<tenant>", methods=["POST"])
    found = set()
    for tenant in ("a", "b"):
        with tenants.test_request_context("/", base_url=f"http://{tenant}.shop.example", method="POST"):
            found.add(scoped_key(request, app="shop", caller="anna", key="k"))
    assert len(found) == 2


def printed(path="/items/1", **options) -> str:
    with app.test_request_context(
        path, **{"method": "POST", "data": b"a", "content_type": "text/plain", **options}
    ):
        found = fingerprint(request)
        assert request.get_data() == options.get("data", b"a")
        return found


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/items/2"},
        {"query_string": "a=1"},
        {"data": b"b"},
        {"data": b""},
        {"content_type": "text/html"},
        {"method": "PATCH"},
    ],
    ids=str,
)
def test_whatever_is_sent_is_in_the_fingerprint(changed):
    """Method, path, query, media type and body; not the media type's parameters. The body can still be read."""
    assert printed(**changed) != printed()
    assert printed(content_type="text/plain; charset=utf-8") == printed()


@pytest.mark.parametrize("mimetype", ["application/json", "text/plain", "application/octet-stream", ""])
def test_a_body_that_is_no_form_counts_though_the_form_was_asked_for(mimetype):
    """Code that runs before (a CSRF check) may look into `request.form` of any request."""

    def of(body):
        with app.test_request_context("/items/1", method="POST", data=body, content_type=mimetype):
            assert not request.form
            found = fingerprint(request)
            assert request.get_data() == body
            return found

    assert of(b'{"amount": 1}') == of(b'{"amount": 1}') != of(b'{"amount": 2}')


@pytest.mark.parametrize("size", [10, 700_000])
@pytest.mark.parametrize("parsed_before", [False, True])
def test_the_boundary_of_a_form_is_not_in_the_fingerprint(size, parsed_before):
    """A client that encodes its form again makes up another one; fields, files and their names do count."""

    def of(boundary, content, filename="f"):
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="x"; filename="{filename}"\r\n\r\n'
            f"{content}\r\n--{boundary}--\r\n"
        )
        mimetype = f"multipart/form-data; boundary={boundary}"
        with app.test_request_context("/items/1", method="POST", data=body.encode(), content_type=mimetype):
            if parsed_before:
                assert request.files["x"].read(1) == content[:1].encode()
                request.files["x"].seek(0)
            found = fingerprint(request)
            assert request.files["x"].read() == content.encode()
            return found

    content = "c" * size
    assert of("first", content) == of("second", content)
    assert len({of("b", content), of("b", content + "d"), of("b", content, "g")}) == 3
