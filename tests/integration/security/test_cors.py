"""Cross-origin requests, as a browser sees their answers."""

import pytest
from flask_cors import CORS, cross_origin

from flask_backend_patterns import ConfigError

SHOP = "https://shop.example"
ADMIN = "https://admin.example:8443"
FOREIGN = "https://evil.example"


def allowed(response):
    return response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        (SHOP, SHOP),
        ("https://SHOP.example", "https://SHOP.example"),
        (ADMIN, ADMIN),
        ("https://[::1]:3000", "https://[::1]:3000"),
        (FOREIGN, None),
        ("http://shop.example", None),
        ("https://shop.example:8443", None),
        ("https://shop.example.evil.example", None),
        ("https://shopXexample", None),
        ("https://sub.shop.example", None),
        ("null", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/item", 200), ("/page", 200)]
    + [(f"/api/fails/{status}", status) for status in (401, 404, 422, 500)]
    + [("/unknown", 404), ("/fails", 500), ("/stream", 200), ("/static/x", 404)],
)
def test_listed_origins_and_no_others_may_read(make_app, origin, answer, path, status):
    """Exactly the origins by name, on errors too (or a browser shows a fault of CORS instead), and `Vary` for caches."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS=[SHOP, ADMIN, "https://[::1]:3000"])
    response = app.test_client().get(path, headers={} if origin is None else {"Origin": origin})
    assert response.status_code == status
    assert allowed(response) == answer
    assert ("ETag" in response.headers.get("Access-Control-Expose-Headers", "")) is (answer is not None)
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers.getlist("Vary") == ["Origin"]


def test_what_is_remembered_of_an_origin_is_no_answer_to_another(make_app):
    """In any order, for made-up and very long origins, and with preflights in between, which are told more."""
    client = make_app(BACKEND_SECURITY_CORS_ORIGINS=[SHOP, ADMIN]).test_client()
    made_up = [f"https://{number}.example" for number in range(300)]
    for origin in (SHOP, FOREIGN, ADMIN, SHOP, f"{SHOP}{'x' * 5_000}", *made_up, SHOP.upper(), ADMIN):
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        asked, told = client.get("/api/item", headers=headers), client.options("/api/item", headers=headers)
        wanted = origin if origin.lower() in (SHOP, ADMIN) else None
        assert asked.headers.get("Access-Control-Allow-Origin") == wanted
        assert told.headers.get("Access-Control-Allow-Origin") == wanted
        assert "Access-Control-Allow-Methods" not in asked.headers
        assert ("Access-Control-Allow-Methods" in told.headers) is (wanted is not None)


@pytest.mark.parametrize(("origin", "answer"), [(SHOP, "*"), (FOREIGN, "*"), (None, None)])
def test_any_origin(make_app, origin, answer):
    """`*` answers `*` to requests with an origin, the same for all, so nothing varies."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS="*")
    response = app.test_client().get("/api/item", headers={"Origin": origin} if origin else {})
    assert allowed(response) == answer
    assert "Vary" not in response.headers


@pytest.mark.parametrize(("origin", "answer"), [(SHOP, "true"), (FOREIGN, None)])
def test_credentials_for_listed_origins(make_app, origin, answer):
    """With the setting, their scripts may send cookies."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS=SHOP, BACKEND_SECURITY_CORS_CREDENTIALS=True)
    response = app.test_client().get("/api/item", headers={"Origin": origin})
    assert response.headers.get("Access-Control-Allow-Credentials") == answer


@pytest.mark.parametrize(
    ("origin", "wanted", "path", "allows"),
    [
        (SHOP, "authorization,content-type", "/api/item", "authorization, content-type"),
        (SHOP, "x-secret", "/api/item", None),
        (SHOP, None, "/page", None),
        (FOREIGN, "authorization", "/api/item", None),
    ],
)
def test_preflight(make_app, origin, wanted, path, allows):
    """A listed origin learns which methods and which of its headers it may send, and for how long; others nothing."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS=SHOP)
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    if wanted:
        headers["Access-Control-Request-Headers"] = wanted
    response = app.test_client().options(path, headers=headers)
    assert response.status_code == 200
    assert response.headers.get("Access-Control-Allow-Headers") == allows
    is_listed = origin == SHOP
    assert allowed(response) == (SHOP if is_listed else None)
    assert response.headers.get("Access-Control-Max-Age") == ("600" if is_listed else None)
    assert ("PUT" in response.headers.get("Access-Control-Allow-Methods", "")) is is_listed


@pytest.mark.parametrize(
    "origins",
    [
        "https://shop.example/",
        "https://*.shop.example",
        "shop.example",
        r"https://.*",
        "https://",
        "null",
        "*x",
    ],
)
def test_origins_that_cannot_be_meant_are_refused(make_app, origins):
    """What would never match, or would match more than it says, is an error at the start."""
    with pytest.raises(ConfigError, match="BACKEND_SECURITY_CORS_ORIGINS"):
        make_app(BACKEND_SECURITY_CORS_ORIGINS=[origins])


def test_any_origin_with_credentials_is_refused(make_app):
    """Any site could act for a logged-in user."""
    with pytest.raises(ConfigError, match="BACKEND_SECURITY_CORS_CREDENTIALS"):
        make_app(BACKEND_SECURITY_CORS_ORIGINS="*", BACKEND_SECURITY_CORS_CREDENTIALS=True)


@pytest.mark.parametrize(
    ("lines", "merged"),
    [
        (["Cookie"], ["Cookie, Origin"]),
        (["Origin"], ["Origin"]),
        (["Accept, origin"], ["Accept, origin"]),
        (["*"], ["*"]),
        (["Cookie", "Accept"], ["Cookie, Origin", "Accept"]),
        (["X-Original-Host"], ["X-Original-Host, Origin"]),
    ],
)
def test_vary_joins_what_is_there(make_app, lines, merged):
    """Nothing of the app's `Vary` is lost, and nothing is said twice."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS=SHOP)

    @app.after_request
    def vary(response):
        response.headers.setlist("Vary", lines)
        return response

    assert app.test_client().get("/page").headers.getlist("Vary") == merged


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_answer_to_a_failed_hook_has_cors_headers(make_app, order):
    """An `after_request` function of the app that raises ends Flask's chain, not ours (PITFALLS R6)."""

    def add_broken_hook(app):
        @app.after_request
        def broken(response):
            raise ZeroDivisionError

    app = make_app(**{order: add_broken_hook}, BACKEND_SECURITY_CORS_ORIGINS=SHOP)
    response = app.test_client().get("/page", headers={"Origin": SHOP})
    assert (response.status_code, allowed(response)) == (500, SHOP)


@pytest.mark.parametrize("order", ["before", "after"])
def test_flask_cors_of_the_app_is_not_repeated(make_app, order):
    """Both answer for their own origins, with one header each."""
    app = make_app(
        **{order: lambda app: CORS(app, origins=[ADMIN, SHOP])},
        BACKEND_SECURITY_CORS_ORIGINS=[SHOP, "https://third.example"],
    )
    for origin in (ADMIN, SHOP, "https://third.example"):
        response = app.test_client().get("/page", headers={"Origin": origin})
        assert response.headers.getlist("Access-Control-Allow-Origin") == [origin]
        assert [line.lower().count("origin") for line in response.headers.getlist("Vary")] == [1]


def test_a_view_with_narrower_cors_stays_narrow(make_app):
    """`@cross_origin` on a view has the last word, also when it says no."""
    app = make_app(BACKEND_SECURITY_CORS_ORIGINS=[SHOP, ADMIN])

    @app.get("/narrow")
    @cross_origin(origins=[SHOP])
    def narrow():
        return "x"

    client = app.test_client()
    assert allowed(client.get("/narrow", headers={"Origin": SHOP})) == SHOP
    assert allowed(client.get("/narrow", headers={"Origin": ADMIN})) is None
