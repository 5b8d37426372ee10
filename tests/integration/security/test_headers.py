"""Security headers, as a client sees them."""

import pytest

SHOP = "https://shop.example"
API_CSP = "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("path", "status", "is_api_json"),
    [
        ("/api/item", 200, True),
        ("/api/vendor", 200, True),
        ("/api/text", 200, False),
        ("/api/fails/404", 404, True),
        ("/api/fails/422", 422, True),
        ("/api/fails/500", 500, True),
        ("/api/unknown", 404, True),
        ("/page", 200, False),
        ("/json-page", 200, False),
        ("/refused", 403, False),
        ("/unknown", 404, False),
        ("/fails", 500, False),
        ("/moved", 302, False),
        ("/stream", 200, False),
        ("/file", 200, False),
        ("/static/missing.css", 404, False),
    ],
)
@pytest.mark.parametrize("frame_options", [None, "SAMEORIGIN"])
def test_every_response_has_its_headers(make_app, path, status, is_api_json, frame_options):
    """`nosniff` and a referrer policy everywhere; a policy that allows nothing on JSON of API routes, there only."""
    app = make_app(BACKEND_API_PREFIXES="/api", BACKEND_SECURITY_FRAME_OPTIONS=frame_options)
    response = app.test_client().get(path)
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert response.headers.get("X-Frame-Options") == ("DENY" if is_api_json else frame_options)
    assert response.headers.get("Content-Security-Policy") == (API_CSP if is_api_json else None)
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize("container", ["headers", "dict", "lower-case dict"])
@pytest.mark.parametrize(
    "name",
    [
        "X-Content-Type-Options",
        "Referrer-Policy",
        "X-Frame-Options",
        "Content-Security-Policy",
        "Strict-Transport-Security",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
    ],
)
def test_a_header_of_the_app_is_never_changed(make_app, name, container):
    """Whatever the app says in it, once, also where it put a plain dict in the place of the headers (PITFALLS A3)."""
    app = make_app(
        BACKEND_API_PREFIXES="/api",
        BACKEND_SECURITY_HSTS_SECONDS=3600,
        BACKEND_SECURITY_CORS_ORIGINS=SHOP,
        BACKEND_SECURITY_COMPRESSION=True,
    )

    @app.after_request
    def set_own(response):
        if container == "headers":
            response.headers[name] = "mine"
        else:
            response.headers = dict(response.headers)
            response.headers[name.lower() if container.startswith("lower") else name] = "mine"
        return response

    response = app.test_client().get("https://localhost/api/large", headers={"Origin": SHOP})
    assert response.headers.getlist(name) == ["mine"]


@pytest.mark.parametrize("url", ["http://localhost/page", "https://localhost/page"])
@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({}, None),
        ({"BACKEND_SECURITY_HSTS_SECONDS": 3600}, "max-age=3600"),
        (
            {"BACKEND_SECURITY_HSTS_SECONDS": 3600, "BACKEND_SECURITY_HSTS_SUBDOMAINS": True},
            "max-age=3600; includeSubDomains",
        ),
    ],
)
def test_hsts_on_secure_requests_only(make_app, url, settings, value):
    """RFC 6797 7.2: not over plain HTTP, and never unless asked for."""
    response = make_app(**settings).test_client().get(url)
    assert response.headers.get("Strict-Transport-Security") == (value if url.startswith("https") else None)


@pytest.mark.parametrize(("proxies", "sent"), [(0, False), (1, True)])
def test_hsts_behind_a_proxy_that_speaks_https(make_app, proxies, sent):
    """Secure is what a trusted proxy says is secure; from anybody else the header means nothing."""
    app = make_app(BACKEND_SECURITY_HSTS_SECONDS=60, BACKEND_SECURITY_TRUSTED_PROXIES=proxies)
    response = app.test_client().get("/page", headers={"X-Forwarded-Proto": "https"})
    assert ("Strict-Transport-Security" in response.headers) is sent


def test_switched_off_it_adds_nothing(make_app):
    """`BACKEND_SECURITY_ENABLED = False` leaves headers and hooks out."""
    app = make_app(
        BACKEND_SECURITY_ENABLED=False,
        BACKEND_SECURITY_CORS_ORIGINS=SHOP,
        BACKEND_SECURITY_COMPRESSION=True,
        BACKEND_OBSERVABILITY_ENABLED=False,
    )
    response = app.test_client().get("/api/large", headers={"Origin": SHOP, "Accept-Encoding": "gzip"})
    assert sorted(name for name, _ in response.headers) == ["Content-Length", "Content-Type"]
