"""Refusals in front of the app: the same caller, the same request, the same answer; anybody else goes the long way."""

import io
import json
import math

import pytest

from flask_backend_patterns._boundary import RequestBoundary
from flask_backend_patterns._contribution import ACTOR_ID_KEY, REQUEST_ID_KEY, Contribution
from flask_backend_patterns.limits.front import MAX_BODY, MAX_VARIANTS, REFUSED_KEY, FrontRefusals, Refused
from flask_backend_patterns.limits.refusals import feed_key


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Site:
    """A WSGI app that refuses everything, behind a boundary with the front and request ids."""

    def __init__(self, **options):
        self.clock, self.calls, self.counted, self.finished = Clock(), 0, 0, []
        self.front = FrontRefusals(["Authorization", "X-Key"], clock=self.clock, **options)
        self.status, self.extra, self.note, self.actor = "429 TOO MANY REQUESTS", [], {}, None
        self.seconds, self.is_by_address, self.is_flood = 30.0, False, False
        self.ids = iter(f"id-{number}" for number in range(10_000))
        self.make_body = lambda request_id: json.dumps(
            {"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "m", "request_id": request_id}},
            separators=(",", ":"),
        ).encode()
        parts = [
            Contribution(begin=self._begin, headers=self._headers, finished=self.finished.append),
            Contribution(front=self.front.answer, body=self.front.keep),
        ]
        self.boundary = RequestBoundary(self._app, parts)

    def _begin(self, exchange):
        exchange.request_id = exchange.environ[REQUEST_ID_KEY] = next(self.ids)

    def _headers(self, exchange, sent, present):
        sent.append(("X-Request-ID", exchange.request_id))

    def _count(self):
        self.counted += 1

    def _app(self, environ, start_response):
        self.calls += 1
        environ[REFUSED_KEY] = Refused(
            keys=(f"bucket{environ['REMOTE_ADDR']}" if self.is_flood else "bucket",),
            until=100.0 + self.seconds,
            count=self._count,
            is_by_address=self.is_by_address,
        )
        environ.update(self.note)
        body = self.make_body(environ[REQUEST_ID_KEY])
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        headers += [("RateLimit", '"a;t=9";r=0;t=30, "b";r=5;t=7'), ("Retry-After", "30"), *self.extra]
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def ask(self, **environ):
        given = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/x",
            "QUERY_STRING": "a=1",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "s",
            "HTTP_HOST": "h",
            "REMOTE_ADDR": "10.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "HTTP_AUTHORIZATION": "Bearer t",
            **environ,
        }
        answer = {}

        def start_response(status, headers, exc_info=None):
            answer.update(status=status, headers=dict(headers), names=[name for name, _ in headers])

        answer["body"] = b"".join(self.boundary(given, start_response))
        return answer


def test_the_same_request_is_refused_in_front_of_the_app():
    """One call of the app for ten requests; each answer has its own id, everything else is the first one's."""
    site = Site()
    first = site.ask()
    answers = [site.ask() for _ in range(9)]
    assert (site.calls, site.counted, len(site.finished)) == (1, 9, 10)
    for answer in answers:
        assert answer["status"] == first["status"]
        assert sorted(answer["names"]) == sorted(first["names"])
        assert json.loads(answer["body"])["error"]["request_id"] == answer["headers"]["X-Request-ID"]
        assert int(answer["headers"]["Content-Length"]) == len(answer["body"])
    assert len({answer["headers"]["X-Request-ID"] for answer in [first, *answers]}) == 10
    assert {exchange.status for exchange in site.finished} == {429}


@pytest.mark.parametrize(
    "other",
    [
        {"REQUEST_METHOD": "POST"},
        {"PATH_INFO": "/y"},
        {"QUERY_STRING": "a=2"},
        {"SCRIPT_NAME": "/m"},
        {"HTTP_HOST": "i"},
        {"REMOTE_ADDR": "10.0.0.2"},
        {"wsgi.url_scheme": "https"},
        {"HTTP_AUTHORIZATION": "Bearer u"},
        {"HTTP_X_KEY": "k"},
        {"HTTP_COOKIE": "a=b"},
        {"HTTP_ACCEPT": "text/html"},
        {"HTTP_ORIGIN": "https://a.example"},
        {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_differs_goes_the_long_way(other):
    """Nobody is refused for what somebody else did."""
    site = Site()
    site.ask()
    site.ask(**other)
    assert (site.calls, site.counted) == (2, 0)


def test_seconds_are_counted_down_and_end():
    """Retry-After and the seconds of RateLimit, also a name that looks like them stays; then the app is asked again."""
    site = Site()
    site.ask()
    for passed in (0.0, 0.4, 3.0, 4.5):
        site.clock.now = 100.0 + passed
        headers = site.ask()["headers"]
        assert headers["Retry-After"] == str(math.ceil(30 - passed))
        whole = int(passed)
        assert headers["RateLimit"] == f'"a;t=9";r=0;t={30 - whole}, "b";r=5;t={max(0, 7 - whole)}'
    site.clock.now = 105.0
    site.ask()
    assert site.calls == 2


@pytest.mark.parametrize(
    ("value", "later"), [("30", "26"), ("3", "0"), ("1900000000", "1900000000"), ("x", "x")]
)
def test_older_headers(value, later):
    """X-RateLimit-Reset is counted down where it is a duration, and left where it is a moment."""
    site = Site()
    site.extra = [("X-RateLimit-Reset", value)]
    site.ask()
    site.clock.now += 4
    assert site.ask()["headers"]["X-RateLimit-Reset"] == later


def test_after_some_seconds_the_app_is_asked_again():
    """Credentials may have been revoked, or roles changed, long before a daily limit has room again."""
    site = Site()
    site.seconds = 86_400.0
    for passed, calls in [(0.0, 1), (4.9, 1), (5.0, 2)]:
        site.clock.now = 100.0 + passed
        site.ask()
        assert site.calls == calls


def test_what_a_limit_by_address_refuses_is_refused_whoever_it_is():
    """Varying credentials is no way through the front, and nobody's name is put on another's request."""
    site = Site()
    site.is_by_address = True
    for number in range(5):
        site.ask(HTTP_AUTHORIZATION=f"Bearer {number}", HTTP_COOKIE=f"a={number}")
    assert (site.calls, site.counted) == (1, 4)
    site.ask(REMOTE_ADDR="10.0.0.2")
    site.note = {ACTOR_ID_KEY: "7"}
    site.ask(REMOTE_ADDR="10.0.0.3")
    site.ask(REMOTE_ADDR="10.0.0.3", HTTP_AUTHORIZATION="Bearer other")
    assert site.calls == 4


def test_who_varies_without_end_is_not_kept():
    """Of one bucket some answers are kept, so that nobody can push out everybody else's."""
    site = Site()
    for number in range(100):
        site.ask(HTTP_COOKIE=str(number))
    assert len(site.front._kept) == MAX_VARIANTS
    site.clock.now += 4
    site.ask(HTTP_COOKIE="3")
    assert site.calls == 100


def test_head_has_no_body():
    """The first answer to HEAD is kept apart from GET's, and says nothing of a length it does not know."""
    site = Site()
    for _ in range(3):
        answer = site.ask(REQUEST_METHOD="HEAD")
        assert answer["body"] == b""
    assert "Content-Length" not in answer["headers"]
    assert site.calls == 1
    assert site.ask()["body"]


def test_who_called_and_what_is_in_the_log():
    """The access log of a refusal in front has the route and the actor of the first."""
    site = Site()
    site.note = {ACTOR_ID_KEY: "7"}
    site.ask()
    site.ask()
    assert [exchange.environ[ACTOR_ID_KEY] for exchange in site.finished] == ["7", "7"]


def _body(**fields):
    return lambda request_id: json.dumps(
        {"error": {"code": "RATE_LIMIT_EXCEEDED", "request_id": request_id} | fields}
    ).encode()


DOUBTS = {
    "a cookie": {"extra": [("Set-Cookie", "a=b")]},
    "compressed": {"extra": [("Content-Encoding", "gzip")]},
    "an id of the app's": {"extra": [("X-Request-ID", "other")]},
    "not 429": {"status": "503 SERVICE UNAVAILABLE"},
    "an unknown note": {"note": {"flask_backend_patterns.deprecated": 1}},
    "another address further in": {"note": {"REMOTE_ADDR": "10.9.9.9"}},
    "no JSON": {"make_body": lambda _: b"Too many"},
    "a list": {"make_body": lambda _: b"[]"},
    "an own format": {"make_body": lambda _: b'{"errors":["wait 30 s"]}'},
    "an own field": {"make_body": _body(wait=30)},
    "an own code": {"make_body": _body(code="SLOW_DOWN")},
    "no id": {"make_body": _body(request_id=None)},
    "the id twice": {
        "make_body": lambda id_: (
            f'{{"error":{{"code":"RATE_LIMIT_EXCEEDED","details":[{{"request_id":"{id_}"}}],"request_id":"{id_}"}}}}'.encode()
        )
    },
    "huge": {"make_body": _body(message="x" * MAX_BODY)},
    "two lengths": {"extra": [("content-length", "7")]},
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_any_doubt_goes_the_long_way(doubt):
    """What is not plainly our own answer for just this caller is asked for again; and it arrives whole."""
    site = Site()
    vars(site).update(doubt)
    bodies = [site.ask()["body"] for _ in range(3)]
    assert (site.calls, site.counted) == (3, 0)
    assert bodies == [site.make_body(f"id-{number}") for number in range(3)]


def test_a_short_id_that_is_everywhere():
    """A caller may send any id: one letter that is all over the body is put in the right place all the same."""
    site = Site()
    site.ids = iter("aebm")
    for expected in "aebm":
        answer = site.ask()
        assert json.loads(answer["body"])["error"] == {
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "m",
            "request_id": expected,
        }
    assert site.calls == 1


def test_problem_documents_too():
    """RFC 9457 bodies have the id at the top."""
    site = Site()
    site.make_body = lambda id_: (
        f'{{"type":"about:blank","status":429,"detail":"m","instance":"/x","code":"RATE_LIMIT_EXCEEDED","request_id":"{id_}"}}'
    ).encode()
    assert [json.loads(site.ask()["body"])["request_id"] for _ in range(3)] == ["id-0", "id-1", "id-2"]
    assert site.calls == 1


def test_cleared_buckets_are_asked_again():
    """By the feed, here or in another process; other keys do not matter, and None is everything."""
    site = Site()
    for message, calls in [((feed_key("other"),), 1), ((feed_key("bucket"),), 2), (None, 3)]:
        site.ask()
        site.front.hear(message)
        site.ask()
        assert site.calls == calls


def test_it_is_bounded():
    """Callers without number, and one with endless headers, take a bounded room."""
    site = Site(max_entries=100)
    site.is_flood = True
    for number in range(500):
        site.ask(REMOTE_ADDR=str(number))
    assert len(site.front._kept) <= 100
    site.front.hear(None)
    site.ask(HTTP_COOKIE="x" * 10_000)
    assert len(site.front._kept) == 0


def test_the_response_is_closed():
    """What the app wants to be told at the end of its answer is told, once."""
    site, closed = Site(), []

    class Body(list):
        def close(self):
            closed.append(1)

    inner = site.boundary._wsgi_app
    site.boundary._wsgi_app = lambda *args: Body(inner(*args))
    site.ask()
    assert closed == [1]
