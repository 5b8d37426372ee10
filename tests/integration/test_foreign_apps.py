"""Promise A: `init_app` with defaults changes nothing that an app which is not ours already answers.

The same requests go to an app without us and to the same app with `BackendPatterns().init_app(app)`. Status, body and
headers must be equal, but for the headers that we add. What differs between two runs of an app by itself (dates, signed
cookies) is normalised; `test_..._control` shows for each app that two runs without us are equal then, so that a
difference is ours, and that the normalised answers still differ from each other.

Two apps come from the registry (rq-dashboard and moto's server, several services); one is written below, as apps get
after years: its own error pages for everything, hooks that replace and refuse, streams, files, redirects.
"""

import re
from dataclasses import dataclass, field
from io import BytesIO

import pytest
from flask import (
    Flask,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    redirect,
    request,
    send_file,
    session,
    stream_with_context,
)
from flask.views import MethodView
from redis import Redis
from werkzeug.exceptions import HTTPException

from flask_backend_patterns import BackendPatterns

# What docs/ says that init_app adds; only where the app has not set the header itself.
OURS = {"X-Request-ID", "X-Content-Type-Options", "Referrer-Policy"}
OURS_IN_DEBUG = {"Server-Timing"}
OF_THE_BODY = {"Content-Length", "x-amz-crc32"}

ACCEPTS = ("*/*", "text/html", "application/json", "application/problem+json", "image/png")

VARYING = [
    (rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)?", b"<iso date>"),
    (rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", b"<http date>"),
    (rb"\b1[6-9]\d{8}([.]\d+|\d{3})?\b", b"<unix date>"),
    (rb"session=[\w.-]+;", b"session=<signed with the date>;"),
    (rb"0x[0-9a-f]{8,}", b"<address>"),
    (rb"<UploadId>\w+<", b"<UploadId>random<"),
]


@dataclass(frozen=True)
class Ask:
    """One request: method, path and what else the test client takes."""

    method: str
    path: str
    options: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.method} {self.path} {self.options}"


@dataclass(frozen=True)
class Answer:
    """What came back: an answer, or the exception that went through to the server."""

    status: str = ""
    headers: tuple = ()
    body: bytes = b""
    raised: str = ""


def get(*paths, **options):
    return [Ask("GET", path, options) for path in paths]


def every_way(*paths):
    """Each path by every method and with every kind of `Accept`."""
    methods = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    by_method = [Ask(method, path) for path in paths for method in methods]
    by_accept = [Ask("GET", path, {"headers": {"Accept": accept}}) for path in paths for accept in ACCEPTS]
    return by_method + by_accept


def bad_bodies(*paths):
    """Each path with bodies that are not what they say they are."""
    bodies = [
        {"data": b"{not json", "content_type": "application/json"},
        {"data": b"{}", "content_type": "text/plain"},
        {"data": b"\xff\xfe", "content_type": "application/json; charset=utf-8"},
        {"data": b"x" * 5000, "content_type": "application/octet-stream"},
        {"data": b"--nothing", "content_type": "multipart/form-data; boundary=other"},
        {"data": {"name": "Ada"}},
        {"json": {"name": "Ada"}},
        {"json": ["Ada"]},
    ]
    return [Ask("POST", path, body) for path in paths for body in bodies]


def normalised(text):
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text


def answer(client, ask):
    try:
        response = client.open(ask.path, method=ask.method, buffered=True, **ask.options)
        body = response.get_data()
    except Exception as error:  # noqa: BLE001 - what the app lets through is part of what is compared
        return Answer(raised=normalised(repr(error).encode()).decode())
    headers = [(name, normalised(value.encode()).decode()) for name, value in response.headers]
    # Length and checksum of a normalised body say nothing; those of the others are compared.
    known = normalised(body)
    kept = [(name, value) for name, value in headers if name not in OF_THE_BODY or known == body]
    return Answer(response.status, tuple(sorted(kept)), known)


def run(app, asks):
    client = app.test_client()
    return [answer(client, ask) for ask in asks]


def differences(asks, without, with_us, *, debug=False):
    """One line for each request that is answered otherwise with us."""
    lines = []
    for ask, before, after in zip(asks, without, with_us, strict=True):
        names = {name for name, _ in before.headers}
        added = (OURS | (OURS_IN_DEBUG if debug else set())) - names
        headers = tuple((name, value) for name, value in after.headers if name not in added)
        if before != (kept := Answer(after.status, headers, after.body, after.raised)):
            lines.append(f"{ask}\n  without: {before}\n  with:    {kept}")
    return lines


def assert_unchanged(build, asks):
    """`build(install)` makes a fresh app and calls `install` on it where its init order wants it."""
    without = run(build(lambda app: None), asks)
    app = build(lambda app: BackendPatterns().init_app(app))
    with_us = run(app, asks)
    changed = differences(asks, without, with_us, debug=app.debug)
    assert not changed, "\n".join(changed)
    answered = [found for found in with_us if not found.raised]
    assert answered
    assert all({name for name, _ in found.headers} >= OURS for found in answered)


def assert_comparable(build, asks, *, least_different):
    """Two runs without us are equal, and the requests do reach different parts of the app."""
    one, other = run(build(lambda app: None), asks), run(build(lambda app: None), asks)
    changed = differences(asks, one, other)
    assert not changed, "\n".join(changed)
    assert len({(found.status, found.body, found.raised) for found in one}) >= least_different


def test_the_comparison_sees_a_changed_status_body_or_header():
    """The check can fail: one changed answer, removed header or changed header of ours is reported."""
    before = Answer("200 OK", (("Referrer-Policy", "origin"), ("X-App", "1")), b"hello")
    changes = [
        Answer("201 CREATED", before.headers, b"hello"),
        Answer("200 OK", before.headers, b"Hello"),
        Answer("200 OK", before.headers[:1], b"hello"),
        Answer("200 OK", (("Referrer-Policy", "no-referrer"), ("X-App", "1")), b"hello"),
        Answer("200 OK", (*before.headers, ("X-New", "1")), b"hello"),
        Answer(raised="ValueError()"),
    ]
    for change in changes:
        assert len(differences([Ask("GET", "/")], [before], [change])) == 1
    added = Answer("200 OK", (*before.headers, ("X-Request-ID", "7")), b"hello")
    assert differences([Ask("GET", "/")], [before], [added]) == []


# --- rq-dashboard: pages, JSON, static files, actions; uncaught errors of its own


def fill_with_jobs(redis_url):
    """The same jobs each time: waiting, finished, failed, and a worker."""
    from rq import Queue, Worker

    with Redis.from_url(redis_url) as connection:
        connection.flushall()
        at_once = Queue("default", connection=connection, is_async=False)
        at_once.enqueue("operator.add", 1, 2, job_id="finished")
        at_once.enqueue("operator.truediv", 1, 0, job_id="failed")
        for number in range(12):
            Queue("default", connection=connection).enqueue(
                "operator.add", number, 1, job_id=f"waiting-{number}"
            )
        Queue("mails", connection=connection).enqueue("operator.neg", 1, job_id="mail")
        Worker(["default"], connection=connection, name="worker").register_birth()


def dashboard(redis_url, prefix, *, ours_first):
    """As rq-dashboard's page says to put it into an app."""

    def build(install):
        import rq_dashboard
        from rq_dashboard.web import setup_rq_connection

        fill_with_jobs(redis_url)
        app = Flask("host")
        if ours_first:
            install(app)
        app.config["RQ_DASHBOARD_REDIS_URL"] = redis_url
        setup_rq_connection(app)
        app.register_blueprint(rq_dashboard.blueprint, url_prefix=prefix)
        if not ours_first:
            install(app)
        return app

    return build


def dashboard_asks(prefix):
    pages = [
        "/",
        "/0/",
        "/0/view",
        "/0/view/queues",
        "/0/view/workers",
        "/0/view/jobs",
        "/0/view/job/finished",
    ]
    pages += [
        "/0/view/jobs/default/failed/5/dsc/1",
        "/0/view/job/failed",
        "/0/view/job/missing",
        "/1/",
        "/7/view",
    ]
    data = [
        "/0/data/queues.json",
        "/0/data/workers.json",
        "/0/data/job/failed.json",
        "/0/data/job/missing.json",
    ]
    data += ["/0/data/jobs/default/queued/5/asc/2.json", "/0/data/jobs/default/queued/x/asc/1.json"]
    static = ["/static/css/main.css", "/static/missing.css", "/static/../web.py", "/static/"]
    asks = get(*(prefix + path for path in pages + data + static))
    asks += every_way(f"{prefix}/0/view", f"{prefix}/0/data/job/failed.json", f"{prefix}/missing")
    asks += get(
        f"{prefix}/0/view?x=%00", prefix, "/health", "/health/", "/health/other", "/metrics", "/elsewhere"
    )
    asks += bad_bodies(f"{prefix}/job/missing/delete", f"{prefix}/0/view", "/nowhere")
    actions = ["/job/waiting-3/delete", "/job/failed/requeue", "/job/missing/requeue", "/requeue/default"]
    actions += ["/queue/default/queued/empty", "/queue/default/failed/empty", "/queue/default/compact"]
    return asks + [Ask("POST", prefix + path) for path in actions] + get(f"{prefix}/0/data/queues.json")


def test_rq_dashboard_control(redis_url):
    """Two runs of rq-dashboard without us answer alike."""
    build = dashboard(redis_url, "/rq", ours_first=False)
    assert_comparable(build, dashboard_asks("/rq"), least_different=20)


@pytest.mark.parametrize("ours_first", [False, True])
@pytest.mark.parametrize("prefix", ["/rq", ""])
def test_rq_dashboard_is_unchanged(redis_url, prefix, ours_first):
    """Its pages, JSON, files, errors and actions are what they are without us, in both orders, also at the root."""
    assert_unchanged(dashboard(redis_url, prefix, ours_first=ours_first), dashboard_asks(prefix))


# --- moto's server: catch-all routes, its own 404s, XML, streams, debug mode, Flask-CORS, an emptied view table


def moto_app(service):
    def build(install):
        from moto.moto_api._internal import mock_random
        from moto.moto_api._internal.models import moto_api_backend
        from moto.server import create_backend_app

        moto_api_backend.reset()
        mock_random.seed(1)
        app = create_backend_app(service)
        install(app)
        return app

    return build


def aws(service, method="POST", path="/", **options):
    """A request as an SDK sends it; nobody looks at the signature."""
    scope = f"Credential=key/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"} | options.pop("headers", {})
    return Ask(
        method, path, {"headers": headers, "base_url": f"http://{service}.us-east-1.amazonaws.com", **options}
    )


def s3(method, path, **options):
    return aws("s3", method, path, **{"base_url": "http://localhost", **options})


def amz_json(service, target, document):
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"}
    return aws(service, headers=headers, data=document)


TABLE = (
    '{"TableName": "t", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",'
    ' "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}'
)
QUEUE = "http://sqs.us-east-1.amazonaws.com/123456789012/jobs"
STRANGE = [
    *get("/health", "/health/", "/health/other", "/metrics", "/favicon.ico", "/a/b/c?x=1", "//", "/%00"),
    *every_way("/", "/nothing/here"),
    *bad_bodies("/", "/nothing"),
]
MOTO_ASKS = {
    "s3": [
        *(s3("PUT", path) for path in ("/shop", "/shop", "/B", "/health")),
        s3("PUT", "/shop/a/ä b.txt", data=b"hello" * 1000, headers={"Content-Type": "text/plain"}),
        *(s3(method, "/shop/a/ä b.txt") for method in ("GET", "HEAD", "OPTIONS", "PATCH")),
        s3("GET", "/shop/a/ä b.txt", headers={"Range": "bytes=3-9"}),
        s3("GET", "/shop/a/ä b.txt", headers={"Range": "bytes=9000-"}),
        s3("GET", "/shop/a/ä b.txt", headers={"If-None-Match": "*", "Origin": "http://else.where"}),
        *(
            s3("GET", path)
            for path in ("/", "/shop", "/shop?list-type=2", "/shop?acl", "/shop?policy", "/health")
        ),
        *(s3("GET", path) for path in ("/missing", "/shop/missing", "/shop?uploads", "/health/other")),
        s3("PUT", "/health/live", data=b"an object of the app's own at a path like ours"),
        *(s3(method, "/health/live") for method in ("DELETE", "PUT")),
        s3("POST", "/shop/big?uploads"),
        s3("POST", "/shop?delete", data=b"<Delete><not xml"),
        *(
            s3("DELETE", path)
            for path in ("/shop", "/shop/a/ä b.txt", "/shop/a/ä b.txt", "/shop", "/missing")
        ),
    ],
    "sqs": [
        aws("sqs", data={"Action": "CreateQueue", "QueueName": "jobs"}),
        aws("sqs", data={"Action": "SendMessage", "QueueUrl": QUEUE, "MessageBody": "hello"}),
        aws("sqs", data={"Action": "SendMessage", "QueueUrl": QUEUE + "x", "MessageBody": "hello"}),
        aws("sqs", "GET", "/?Action=ListQueues"),
        aws("sqs", "GET", "/123456789012/jobs?Action=ReceiveMessage"),
        aws("sqs", data={"Action": "Unknown"}),
        amz_json("sqs", "AmazonSQS.ListQueues", "{}"),
        amz_json("sqs", "AmazonSQS.ListQueues", "{"),
        amz_json("sqs", "AmazonSQS.GetQueueUrl", '{"QueueName": "missing"}'),
    ],
    "dynamodb": [
        amz_json("dynamodb", "DynamoDB_20120810.CreateTable", TABLE),
        amz_json("dynamodb", "DynamoDB_20120810.CreateTable", TABLE),
        amz_json("dynamodb", "DynamoDB_20120810.PutItem", '{"TableName": "t", "Item": {"id": {"S": "1"}}}'),
        amz_json("dynamodb", "DynamoDB_20120810.GetItem", '{"TableName": "t", "Key": {"id": {"S": "1"}}}'),
        amz_json(
            "dynamodb", "DynamoDB_20120810.GetItem", '{"TableName": "missing", "Key": {"id": {"S": "1"}}}'
        ),
        amz_json("dynamodb", "DynamoDB_20120810.GetItem", "{"),
        amz_json("dynamodb", "DynamoDB_20120810.Unknown", "{}"),
        amz_json("dynamodb", "nonsense", "{}"),
        amz_json("dynamodb", "DynamoDB_20120810.ListTables", "{}"),
    ],
    "moto_api": [
        *get("/moto-api/", "/moto-api", "/moto-api/lib.js", "/moto-api/data.json", "/moto-api/config"),
        *every_way("/moto-api/reset", "/moto-api/data.json", "/moto-api/missing"),
        *bad_bodies("/moto-api/config", "/moto-api/static/athena/query-results"),
    ],
    "sts": [
        aws("sts", data={"Action": "GetCallerIdentity", "Version": "2011-06-15"}),
        aws("sts", data={"Action": "Unknown", "Version": "2011-06-15"}),
    ],
}


@pytest.mark.parametrize("service", MOTO_ASKS)
def test_moto_control(service):
    """Two runs of moto's app for a service without us answer alike."""
    assert_comparable(moto_app(service), MOTO_ASKS[service] + STRANGE, least_different=4)


@pytest.mark.parametrize("service", MOTO_ASKS)
def test_moto_is_unchanged(service):
    """An app with catch-all routes keeps every path, method and error page, also next to our own paths."""
    assert_unchanged(moto_app(service), MOTO_ASKS[service] + STRANGE)


# --- an app as they get after years


class OldError(Exception):
    """The app's own exception, with an error page of its own."""


class Shelf(MethodView):
    def get(self, number):
        return {"shelf": number}

    def delete(self, number):
        return "", 204


class Years:
    """Builds the old app; `ours_first` decides when `init_app` runs, `traits` which habits the app has."""

    def __init__(self, tmp_path, traits=(), config=None, *, ours_first=False):
        self.file = tmp_path / "report.pdf"
        self.file.write_bytes(b"%PDF " + b"0123456789" * 500)
        self.traits = traits
        self.config = config or {}
        self.ours_first = ours_first
        self.torn_down = []

    def __call__(self, install):
        app = Flask("years")
        app.config.update(SECRET_KEY="s" * 32, MAX_CONTENT_LENGTH=4000, **self.config)
        self.torn_down = []
        if self.ours_first:
            install(app)
        app.test_client()  # before the routes are there
        self.add_hooks(app)
        self.add_views(app)
        self.add_raising_views(app)
        self.add_error_pages(app)
        if not self.ours_first:
            install(app)
        return app

    def add_hooks(self, app):
        @app.before_request
        def refuse():
            g.started = True
            return ("closed", 418, {"X-Closed": "yes"}) if request.path == "/closed" else None

        @app.after_request
        def stamp(response):
            response.headers["X-App"] = request.path
            if request.path == "/own-headers":
                response.headers["X-Content-Type-Options"] = "off"
                response.headers["Referrer-Policy"] = "unsafe-url"
                response.headers["X-Request-ID"] = "mine"
            return response

        @app.after_request
        def replace_headers(response):
            if request.path == "/plain-headers":
                response.headers = {"Content-Type": "text/plain", "X-Plain": "yes"}
            if request.path == "/another-response":
                return make_response("another", 203)
            if request.path == "/after-raises":
                raise OldError("after")
            return response

        app.teardown_request(lambda error: self.torn_down.append((request.path, type(error).__name__)))

    def add_views(self, app):
        app.add_url_rule("/", view_func=lambda: "<h1>Home</h1>", endpoint="home")
        for path in ("/closed", "/own-headers", "/plain-headers", "/another-response", "/after-raises"):
            app.add_url_rule(path, view_func=lambda: ("text", 200, {"X-View": "yes"}), endpoint=path[1:])
        app.add_url_rule("/slash/", view_func=lambda: "slash", endpoint="slash")
        app.add_url_rule("/go", view_func=lambda: redirect("/slash/"), endpoint="go")
        app.add_url_rule("/shelf/<int:number>", view_func=Shelf.as_view("shelf"))
        app.add_url_rule(
            "/json", view_func=lambda: jsonify(request.get_json()), methods=["POST"], endpoint="json"
        )
        app.add_url_rule("/form", view_func=lambda: request.form["name"], methods=["POST"], endpoint="form")
        app.add_url_rule("/file", view_func=lambda: send_file(self.file, conditional=True), endpoint="file")
        app.add_url_rule(
            "/memory", view_func=lambda: send_file(BytesIO(b"abc"), "text/csv"), endpoint="memory"
        )
        app.add_url_rule("/wsgi", view_func=lambda: Response(iter([b"a", b"b"])), endpoint="wsgi")

        @app.get("/stream")
        def stream():
            return Response(
                stream_with_context(f"{n} {request.path}\n" for n in range(100)), mimetype="text/plain"
            )

        @app.get("/visits")
        def visits():
            session["visits"] = session.get("visits", 0) + 1
            return str(session["visits"])

    def add_raising_views(self, app):
        def raise_(error):
            raise error

        app.add_url_rule("/abort/<int:code>", view_func=abort, endpoint="abort")
        app.add_url_rule(
            "/text/<int:code>", view_func=lambda code: abort(code, "the <b>reason</b>"), endpoint="text"
        )
        app.add_url_rule(
            "/ready", view_func=lambda: abort(make_response("ready-made", 409)), endpoint="ready"
        )
        for error in (
            OldError("old"),
            ValueError("bug"),
            KeyError("k"),
            TimeoutError("slow"),
            PermissionError(),
        ):
            path = type(error).__name__
            app.add_url_rule(f"/raise/{path}", view_func=lambda error=error: raise_(error), endpoint=path)

        @app.get("/breaks")
        def breaks():
            def parts():
                yield b"half"
                raise OldError("in the middle")

            return Response(parts())

    def add_error_pages(self, app):
        def page(kind, status):
            """HTML or JSON by the app's own rule, which is not ours."""
            best = request.accept_mimetypes.best_match(["application/json", "text/html"], "text/html")
            if best == "application/json" and request.accept_mimetypes.best != "*/*":
                return jsonify(err=kind), status
            return f"<h1>Sorry: {kind}</h1>", status

        app.register_error_handler(OldError, lambda error: page(f"old {error}", 512))
        if "exception" in self.traits:
            app.register_error_handler(Exception, lambda error: page(type(error).__name__, 599))
        if "not found" in self.traits:
            app.register_error_handler(404, lambda error: page("not found", 404))
        if "http" in self.traits:
            app.register_error_handler(HTTPException, lambda error: page(error.name, error.code))
        if "internal" in self.traits:
            app.register_error_handler(500, lambda error: page(repr(error.original_exception), 500))


OLD_CODES = (
    400,
    401,
    403,
    404,
    405,
    409,
    410,
    413,
    415,
    418,
    422,
    428,
    429,
    431,
    451,
    500,
    501,
    502,
    503,
    504,
)
OLD_ASKS = [
    *every_way("/", "/shelf/7", "/missing", "/raise/OldError", "/raise/ValueError", "/health"),
    *get(*(f"/abort/{code}" for code in OLD_CODES), *(f"/text/{code}" for code in OLD_CODES)),
    *get(
        "/closed",
        "/own-headers",
        "/plain-headers",
        "/another-response",
        "/after-raises",
        "/slash",
        "/slash/",
        "/go",
    ),
    *get(
        "/shelf/x", "/stream", "/wsgi", "/memory", "/visits", "/visits", "/ready", "/breaks", "/health/other"
    ),
    *get(
        "/raise/KeyError", "/raise/TimeoutError", "/raise/PermissionError", "/file", "/metrics", "/static/x"
    ),
    *get("/file", headers={"Range": "bytes=5-14"}),
    *get("/file", headers={"Range": "bytes=99999-"}),
    *get("/file", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    *get("/", "/missing", headers={"X-Request-ID": "not valid\t!", "Host": "other.example"}),
    Ask("HEAD", "/file"),
    Ask("HEAD", "/stream"),
    *bad_bodies("/json", "/form", "/missing", "/shelf/7"),
]
TRAITS = {
    "plain": ((), {}),
    "catches everything": (("exception",), {}),
    "catches everything and 404": (("exception", "not found"), {}),
    "own pages": (("http", "internal"), {}),
    "traps": (("exception",), {"TRAP_HTTP_EXCEPTIONS": True}),
    "traps bad requests": (("internal",), {"TRAP_BAD_REQUEST_ERRORS": True}),
    "testing": ((), {"TESTING": True}),
    "propagates": (("http",), {"PROPAGATE_EXCEPTIONS": True}),
    "debug": (("not found",), {"DEBUG": True}),
}


@pytest.mark.parametrize("habit", TRAITS)
def test_an_old_app_control(tmp_path, habit):
    """Two runs of the old app without us answer alike."""
    assert_comparable(Years(tmp_path, *TRAITS[habit]), OLD_ASKS, least_different=25)


@pytest.mark.parametrize("ours_first", [False, True])
@pytest.mark.parametrize("habit", TRAITS)
def test_an_old_app_is_unchanged(tmp_path, habit, ours_first):
    """Error pages, hooks, traps, streams, files and redirects stay the app's own, in both `init_app` orders (A1, A3, A4)."""
    assert_unchanged(Years(tmp_path, *TRAITS[habit], ours_first=ours_first), OLD_ASKS)


@pytest.mark.parametrize("ours_first", [False, True])
def test_teardown_functions_run_as_before(tmp_path, ours_first):
    """Each request is torn down once, with the same exception, with us and without."""
    build = Years(tmp_path, ("exception",), ours_first=ours_first)
    run(build(lambda app: None), OLD_ASKS)
    without = build.torn_down
    run(build(lambda app: BackendPatterns().init_app(app)), OLD_ASKS)
    assert build.torn_down == without
    assert len(without) >= len(OLD_ASKS)


@pytest.mark.parametrize("ours_first", [False, True])
def test_a_request_context_without_before_request_is_served(tmp_path, ours_first):
    """Some code pushes a context itself and finishes a response by hand (A3): no hook of ours was there before."""
    build = Years(tmp_path, ours_first=ours_first)
    found = []
    for install in (lambda app: None, lambda app: BackendPatterns().init_app(app)):
        app = build(install)
        with app.test_request_context("/plain-headers"):
            response = app.process_response(app.make_response("by hand"))
            found.append((response.status, response.get_data(), dict(response.headers)))
        with app.test_request_context("/"):
            response = app.full_dispatch_request()
            kept = {name: value for name, value in response.headers.items() if name not in OURS}
            found.append((response.status, response.get_data(), kept))
    assert found[:2] == found[2:]
