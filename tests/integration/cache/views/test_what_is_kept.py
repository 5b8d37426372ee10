"""PITFALLS C2: which responses are kept, and what of them."""

from __future__ import annotations

import pytest
from flask import Response, abort, send_file
from werkzeug.http import HTTP_STATUS_CODES

from flask_backend_patterns import ConflictError, NotFoundError, ServiceUnavailableError
from flask_backend_patterns.cache.settings import CacheSettings
from flask_backend_patterns.cache.view_cache import cache_control, cached_view

KEPT = {200, 203, 204}
STATUSES = sorted({*HTTP_STATUS_CODES, 299, 399, 499, 599} - set(range(200)))


@pytest.fixture(scope="module")
def status_site():
    """One app for all statuses."""
    from tests.integration.cache.views.conftest import Site

    site = Site()
    site.view(cached_view(60, stale=60), path="/<int:status>", answer=lambda status: Response("x", status))
    return site


@pytest.mark.parametrize("status", STATUSES)
def test_only_whole_successes_are_kept(status_site, status):
    """Of every status: 200, 203 and 204 are kept; the others run the view each time and come out as they are."""
    status_site.runs.clear()
    answers = [status_site.get(f"/{status}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]
    assert len(status_site.runs) == (1 if status in KEPT else 2)
    assert ("hit" in answers[1].headers["Cache-Status"]) is (status in KEPT)


HEADERS = [
    ({"Set-Cookie": "a=b"}, None, False),
    ({"Cache-Control": "no-store"}, None, False),
    ({"Cache-Control": "max-age=5, private"}, None, False),
    ({"Cache-Control": 'private="x-a"'}, None, False),
    ({"Cache-Control": "no-cache"}, None, False),
    ({"Cache-Control": "private"}, ["actor"], True),
    ({"Cache-Control": "private"}, ["roles"], False),
    ({"Cache-Control": "public, max-age=5"}, None, True),
    ({"Vary": "*"}, None, False),
    ({"Vary": "Accept, *"}, ["header:Accept-Language"], False),
    ({"Vary": "Accept-Language"}, None, False),
    ({"Vary": "accept-language"}, ["header:Accept-Language"], True),
    ({"Vary": "Accept"}, None, True),
    ({"Content-Range": "bytes 0-1/2"}, None, False),
    ({"Content-Encoding": "br"}, None, False),
    ({"Content-Encoding": "br"}, ["header:Accept-Encoding"], True),
    ({"Access-Control-Allow-Origin": "*"}, None, True),
    ({"Access-Control-Allow-Origin": "https://a.example"}, None, False),
    ({"Access-Control-Allow-Origin": "https://a.example"}, ["header:Origin"], True),
    ({"X-Anything": "1"}, None, True),
]


@pytest.mark.parametrize(("headers", "vary_on", "is_kept"), HEADERS)
def test_headers_that_keep_a_response_from_being_kept(site, headers, vary_on, is_kept):
    """A response that is for one client, one moment, or what nobody declared, runs the view each time."""
    site.view(cached_view(60, vary_on=vary_on), answer=lambda: Response("x", headers=headers))
    first, second = site.get(), site.get()
    assert len(site.runs) == (1 if is_kept else 2)
    for name, text in headers.items():
        said = {text.lower(), "*"} if name == "Vary" else {text.lower()}
        for answer in (first, second):
            assert any(one in answer.headers[name].lower() for one in said)


PERSONAL = {
    "Date": "Sat, 01 Jan 2000 00:00:00 GMT",
    "X-Request-ID": "mine",
    "RateLimit": '"a";r=1;t=2',
    "X-RateLimit-Remaining": "1",
    "Server-Timing": "db;dur=1",
    "Connection": "close",
    "Age": "77",
}


def test_what_belongs_to_one_answer_is_left_out(site):
    """Ids, limits, times, and what is between two hops."""
    site.view(cached_view(60), answer=lambda: Response("x", headers={**PERSONAL, "Link": "</a>; rel=next"}))
    site.get()
    hit = site.get()
    assert hit.headers["Link"] == "</a>; rel=next"
    assert not [name for name, text in PERSONAL.items() if hit.headers.get(name) == text]


def test_streams_and_files_are_not_kept(site, tmp_path):
    """A stream could be endless; a file is served by its own conditions."""
    file = tmp_path / "a.txt"
    file.write_text("text")
    site.view(cached_view(60), path="/stream", endpoint="stream", answer=lambda: (part for part in "ab"))
    site.view(cached_view(60), path="/file", endpoint="file", answer=lambda: send_file(file))
    for path in ("/stream", "/file"):
        for _ in range(2):
            with site.get(path) as answer:
                assert answer.status_code == 200
    assert len(site.runs) == 4


def test_what_is_too_large_is_not_kept(make_site):
    """By BACKEND_CACHE_MAX_VALUE_BYTES; the log says so once."""
    site = make_site(settings=CacheSettings(max_value_bytes=1024))
    site.view(cached_view(60), answer=lambda: Response("x" * 1025))
    for _ in range(3):
        assert len(site.get().data) == 1025
    assert len(site.runs) == 3
    assert [event["reason"] for event in site.log.named("view_not_cached")] == ["too-large"]


@pytest.mark.parametrize("error", [NotFoundError, ConflictError, lambda: abort(410)])
def test_refusals_pass_through(site, error):
    """Raised ones run the view each time, and end what was kept before."""
    found = {"is": True}

    def answer():
        if not found["is"]:
            raise error()
        return {"ok": True}

    site.view(cached_view(60, stale=600), answer=answer)
    assert site.get().status_code == 200
    found["is"] = False
    site.clock.now += 61
    gone = [site.get().status_code for _ in range(3)]
    assert set(gone) <= {404, 409, 410}
    found["is"] = True
    site.clock.now += 3
    assert site.get().status_code == 200


def failing(kind):
    if kind == "raised":
        raise ServiceUnavailableError
    if kind == "bug":
        raise ZeroDivisionError
    return Response("no", 502)


@pytest.mark.parametrize("kind", ["raised", "bug", "answered"])
def test_an_old_response_serves_while_the_view_fails(make_site, kind):
    """RFC 5861, 4: until `stale` ends; then the failure is seen."""
    site = make_site(TESTING=False)
    fails = {"is": False}
    site.view(cached_view(60, stale=30), answer=lambda: failing(kind) if fails["is"] else {"ok": True})
    site.get()
    fails["is"] = True
    site.clock.now += 61
    old = [site.get() for _ in range(2)]
    assert [answer.status_code for answer in old] == [200, 200]
    assert old[0].headers["Cache-Status"] == '"site"; hit; ttl=-1'
    assert old[0].headers["Age"] == "61"
    site.clock.now += 31
    assert site.get().status_code >= 500


def test_what_is_gone_does_not_come_back_while_the_view_fails(make_site):
    """After a 404 the response from before is no longer true, although its `stale` has not ended."""
    site = make_site(TESTING=False)
    answers = iter([{"ok": True}, Response("gone", 404), Response("no", 503)])
    site.view(cached_view(60, stale=600), answer=lambda: next(answers))
    site.get()
    site.clock.now += 61
    assert site.get().status_code == 404
    site.clock.now += 3
    assert site.get().status_code == 503


def test_without_stale_a_failure_is_seen(make_site):
    """Nothing old serves, and nothing is kept."""
    site = make_site(TESTING=False)
    site.view(cached_view(60), answer=lambda: failing("bug"))
    assert [site.get().status_code for _ in range(2)] == [500, 500]


def test_the_lifetimes_are_checked():
    """Numbers that make no sense are errors where they are written."""
    from flask_backend_patterns import SetupError

    for wrong in (
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": "60"},
        {"ttl": float("nan")},
        {"stale": -1},
        {"ttl": True},
    ):
        with pytest.raises(SetupError, match="seconds"):
            cached_view(**wrong)
    for wrong in ("actor", ["nobody"], ["header:"], ["header:a b"], ["actor", "roles"], [7]):
        with pytest.raises(SetupError, match="vary_on"):
            cached_view(60, vary_on=wrong)
    for wrong in ({"tags": "a"}, {"tags": ["{"]}, {"key": "{a.}"}, {"tags": [3]}):
        with pytest.raises(SetupError):
            cached_view(60, **wrong)


def test_a_template_that_the_path_cannot_fill_is_said(site):
    """At the first request, naming what the path has."""
    from flask_backend_patterns import SetupError

    site.view(cached_view(60, tags=["item:{item}"]), path="/x/<int:item_id>")
    with pytest.raises(SetupError, match="item_id"):
        site.get("/x/1")


CONTROLS = [
    ({"public": True, "max_age": 60}, "public, max-age=60"),
    (
        {"public": True, "max_age": 1, "s_maxage": 2, "stale_while_revalidate": 3, "stale_if_error": 4},
        "public, max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4",
    ),
    ({"no_store": True}, "no-store"),
    ({"private": True, "max_age": 0, "must_revalidate": True}, "private, must-revalidate, max-age=0"),
    ({"public": True, "immutable": True, "max_age": 31_536_000}, "public, immutable, max-age=31536000"),
]


@pytest.mark.parametrize(("said", "header"), CONTROLS)
def test_cache_control_as_it_is_sent(site, said, header):
    """In the words of RFC 9111, on successes and redirects."""
    site.view(cache_control(**said), path="/<int:status>", answer=lambda status: Response("x", status))
    assert site.get("/200").headers["Cache-Control"] == header
    assert site.get("/301").headers["Cache-Control"] == header
    assert site.get("/200", method="HEAD").headers["Cache-Control"] == header


def test_where_cache_control_is_not_sent(site):
    """Not on errors, not beside a cookie, and not in place of what the view says."""
    site.view(
        cache_control(public=True, max_age=60),
        path="/<int:status>",
        answer=lambda status: Response("x", status) if status < 999 else abort(404),
    )
    site.view(
        cache_control(public=True, max_age=60), path="/cookie", endpoint="cookie",
        answer=lambda: Response("x", headers={"Set-Cookie": "a=b"}),
    )  # fmt: skip
    site.view(
        cache_control(public=True, max_age=60), path="/own", endpoint="own",
        answer=lambda: Response("x", headers={"Cache-Control": "no-store"}),
    )  # fmt: skip
    for status in (400, 404, 500, 503, 999):
        assert "Cache-Control" not in site.get(f"/{status}").headers
    assert site.get("/cookie").headers["Cache-Control"] == "private, no-cache"
    assert site.get("/own").headers["Cache-Control"] == "no-store"


WRONG = [
    {},
    {"public": True, "private": True},
    {"private": True, "s_maxage": 5},
    {"no_store": True, "max_age": 5},
    {"no_cache": True, "immutable": True},
    {"max_age": -1},
    {"max_age": 1.5},
    {"max_age": True},
    {"max_age": 2**31 + 1},
    {"must_revalidate": True, "stale_if_error": 5, "max_age": 1},
]


@pytest.mark.parametrize("said", WRONG)
def test_directives_that_contradict_each_other(said):
    """They are errors where they are written."""
    from flask_backend_patterns import SetupError

    with pytest.raises(SetupError, match="cache_control"):
        cache_control(**said)
