"""Compressed responses: which, how, and what they say of themselves."""

import gzip

import brotli
import pytest
from backports import zstd
from flask import Response, jsonify, request, session
from flask_compress import Compress
from flask_cors import CORS

SHOP = "https://shop.example"
ADMIN = "https://admin.example:8443"
DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": zstd.decompress, "identity": bytes}


def get_raw(app, path, encoding, method="GET", **headers):
    return app.test_client().open(path, method=method, headers={"Accept-Encoding": encoding, **headers})


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, br;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("identity", "identity"),
        ("gzip;q=0", "identity"),
        ("GZIP; q=0.000, identity", "identity"),
        ("br;q=0.1", "br"),
        ("", "identity"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_large_json_is_compressed_as_the_client_wishes(make_app, accepts, encoding, method):
    """The body decodes to the same JSON and is smaller; HEAD has the same headers; caches are told what it varies by."""
    app = make_app(BACKEND_SECURITY_COMPRESSION=True)
    response = get_raw(app, "/api/large", accepts, method)
    assert response.headers.get("Content-Encoding", "identity") == encoding
    assert response.headers["Vary"] == "Accept-Encoding"
    if method == "GET":
        assert int(response.headers["Content-Length"]) == len(response.data)
        plain = DECODERS[encoding](response.data)
        assert plain == get_raw(app, "/api/large", "identity").data
        assert encoding == "identity" or len(response.data) < len(plain) / 4
    else:
        assert response.data == b""
        assert (
            response.headers["Content-Length"]
            == get_raw(app, "/api/large", accepts).headers["Content-Length"]
        )


def untouched_routes(app):
    @app.get("/encoded")
    def encoded():
        return Response(
            gzip.compress(b"x" * 9000, mtime=0) * 50,
            mimetype="text/plain",
            headers={"Content-Encoding": "gzip"},
        )

    @app.get("/no-transform")
    def no_transform():
        return Response("x" * 9000, mimetype="text/plain", headers={"Cache-Control": "no-transform"})

    @app.get("/part")
    def part():
        return Response("x" * 9000, 206, {"Content-Range": "bytes 0-8999/20000"}, mimetype="text/plain")

    @app.get("/image")
    def image():
        return Response(b"x" * 9000, mimetype="image/png")

    @app.get("/chunks")
    def chunks():
        return Response([b"x" * 100, b"y" * 100], mimetype="text/plain")


@pytest.mark.parametrize(
    "path",
    [
        "/api/item",
        "/page",
        "/chunks",
        "/moved",
        "/stream",
        "/file",
        "/encoded",
        "/no-transform",
        "/part",
        "/image",
        "/api/fails/500",
    ],
)
def test_what_is_small_streamed_or_encoded_is_left_alone(make_app, path):
    """Byte for byte the body the app gave, with the encoding it gave."""
    bodies = []
    for compression in (True, False):
        app = make_app(after=untouched_routes, BACKEND_SECURITY_COMPRESSION=compression)
        response = get_raw(app, path, "gzip, br, zstd", **{"X-Request-ID": "same"})
        bodies.append((response.data, response.status_code, response.headers.get("Content-Encoding")))
    assert bodies[0] == bodies[1]


def test_a_list_of_chunks_is_compressed_when_large_together(make_app):
    """A body in parts, whose length nobody has counted, is as large as all of them."""

    def add_route(app):
        @app.get("/parts")
        def parts():
            return Response([b"x" * 100] * 90, mimetype="text/plain")

    response = get_raw(make_app(after=add_route, BACKEND_SECURITY_COMPRESSION=True), "/parts", "gzip")
    assert gzip.decompress(response.data) == b"x" * 9000


def test_streams_are_compressed_where_the_app_says_so(make_app):
    """`COMPRESS_STREAMS = True` is the app's own word."""
    app = make_app(BACKEND_SECURITY_COMPRESSION=True, COMPRESS_STREAMS=True)
    response = get_raw(app, "/stream", "br")
    assert brotli.decompress(response.data) == make_app().test_client().get("/stream").data


def test_compress_settings_of_the_app_apply(make_app):
    """`COMPRESS_MIN_SIZE` and `COMPRESS_ALGORITHM` mean what they mean with Flask-Compress."""
    app = make_app(BACKEND_SECURITY_COMPRESSION=True, COMPRESS_MIN_SIZE=1, COMPRESS_ALGORITHM=["br"])
    assert get_raw(app, "/page", "gzip, br").headers["Content-Encoding"] == "br"


@pytest.mark.parametrize("evaluated_by", ["view", "nobody"])
def test_etag_and_not_modified(make_app, evaluated_by):
    """Each encoding has its own strong ETag; who sends it back gets a 304 without a body, in that encoding only."""

    def add_route(app):
        @app.get("/tagged")
        def tagged():
            response = Response("x" * 9000, mimetype="text/plain")
            response.set_etag("v1")
            return response.make_conditional(request) if evaluated_by == "view" else response

    app = make_app(after=add_route, BACKEND_SECURITY_COMPRESSION=True)
    tags = {name: get_raw(app, "/tagged", name).headers["ETag"] for name in ("gzip", "br", "identity")}
    assert len(set(tags.values())) == 3
    for name, tag in tags.items():
        if name == "identity" and evaluated_by == "nobody":
            continue
        again = get_raw(app, "/tagged", name, **{"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert "Content-Encoding" not in again.headers or again.headers["Content-Encoding"] == name
    assert get_raw(app, "/tagged", "gzip", **{"If-None-Match": tags["br"]}).status_code == 200


@pytest.mark.parametrize("order", ["before", "after"])
def test_flask_compress_of_the_app_is_not_repeated(make_app, order):
    """Compressed once, and the app's own object keeps its hook and its settings."""
    app = make_app(**{order: Compress}, BACKEND_SECURITY_COMPRESSION=True)
    response = get_raw(app, "/api/large", "gzip")
    assert response.headers.getlist("Content-Encoding") == ["gzip"]
    assert gzip.decompress(response.data) == get_raw(app, "/api/large", "identity").data
    assert app.config["COMPRESS_REGISTER"] is True
    assert get_raw(app, "/stream", "br").headers["Content-Encoding"] == "br", "streams are theirs"


@pytest.mark.parametrize("order", ["before", "after"])
def test_hooks_of_the_app_see_the_body_uncompressed(make_app, order):
    """Whichever was registered first, an `after_request` function may read JSON and change it."""

    def add_hook(app):
        @app.after_request
        def stamp(response):
            if response.is_json:
                response.set_data(response.get_data().replace(b"one and", b"two and"))
            return response

    app = make_app(**{order: add_hook}, BACKEND_SECURITY_COMPRESSION=True)
    assert b"two and the same" in gzip.decompress(get_raw(app, "/api/large", "gzip").data)


def test_vary_has_everything_a_response_varies_by(make_app):
    """Session, origin and encoding: none of the three takes another's place."""

    def add_route(app):
        @app.get("/all")
        def everything():
            session["seen"] = True
            return jsonify(items=["one and the same"] * 200)

    app = make_app(
        after=lambda app: (CORS(app, origins=[SHOP, ADMIN]), add_route(app)),
        BACKEND_SECURITY_COMPRESSION=True,
        BACKEND_SECURITY_CORS_ORIGINS=SHOP,
    )
    response = get_raw(app, "/all", "gzip", Origin=SHOP)
    fields = [field.strip() for line in response.headers.getlist("Vary") for field in line.split(",")]
    assert sorted(fields) == ["Accept-Encoding", "Cookie", "Origin"]


def test_compression_keeps_every_line_of_vary(make_app):
    """Two `Vary` lines of the app (Flask-CORS adds one of its own) are both there beside the encoding."""

    def add_route(app):
        @app.get("/lines")
        def lines():
            return Response("x" * 9000, headers=[("Vary", "Cookie"), ("Vary", "Accept-Language")])

    response = get_raw(make_app(after=add_route, BACKEND_SECURITY_COMPRESSION=True), "/lines", "gzip")
    assert response.headers.getlist("Vary") == ["Cookie, Accept-Language, Accept-Encoding"]
