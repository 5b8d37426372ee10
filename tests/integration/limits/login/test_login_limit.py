"""`@login_limit` on an app's own login views: only failures count, by address and by account."""

import logging

import pytest
from flask import Flask, Response, abort, redirect, request
from flask.views import MethodView

from flask_backend_patterns import BackendPatterns, Blueprint
from flask_backend_patterns.errors import ForbiddenError, UnauthorizedError
from flask_backend_patterns.limits.login_limit import login_limit

LIMITS = {"account": "email", "per_address": "100/hour", "per_account": "3/hour"}


def raise_(error):
    raise error


# What a view does, and what it means.
OUTCOMES = {
    "401 raised": (lambda: raise_(UnauthorizedError()), 401, "failure"),
    "401 aborted": (lambda: abort(401), 401, "failure"),
    "403 raised": (lambda: raise_(ForbiddenError()), 403, "failure"),
    "401 in a tuple": (lambda: ({"error": 1}, 401), 401, "failure"),
    "403 in a tuple": (lambda: ("no", 403, {"X-A": "b"}), 403, "failure"),
    "401 as text": (lambda: ("no", "401 UNAUTHORIZED"), 401, "failure"),
    "401 as a response": (lambda: Response("no", 401), 401, "failure"),
    "200": (lambda: {"token": "t"}, 200, "success"),
    "201 in a tuple": (lambda: ({"token": "t"}, 201), 201, "success"),
    "headers only": (lambda: ("ok", {"X-A": "b"}), 200, "success"),
    "a response": (lambda: Response("ok"), 200, "success"),
    "a redirect": (lambda: redirect("/"), 302, "nothing"),
    "400": (lambda: abort(400), 400, "nothing"),
    "404 returned": (lambda: ("none", 404), 404, "nothing"),
    "500": (lambda: ("broken", 500), 500, "nothing"),
    "a bug": (lambda: raise_(KeyError("bug")), 500, "nothing"),
}


# The same where `failed` says it.
FORM_OUTCOMES = {
    "the form again": (lambda: "Wrong password.", 200, "failure"),
    "the form again in a tuple": (lambda: ("Wrong password.", 200), 200, "failure"),
    "401": (lambda: abort(401), 401, "failure"),
    "403 returned": (lambda: ("no", 403), 403, "failure"),
    "a redirect": (lambda: redirect("/"), 302, "success"),
    "404 returned": (lambda: ("none", 404), 404, "nothing"),
    "500": (lambda: ("broken", 500), 500, "nothing"),
}


class Site:
    """An app with one login view in each form; `outcome` is what the view does."""

    def __init__(self, limits=LIMITS, **config):
        self.app = Flask("own_login")
        self.app.config.update(
            {
                "PROPAGATE_EXCEPTIONS": False,
                "BACKEND_AUTH_FAILURES_WAIT_SECONDS": 0,
                "BACKEND_REDIS_TIMEOUT_SECONDS": 20,  # a busy machine is no outage
            }
            | config
        )
        BackendPatterns(self.app)
        self.outcome = OUTCOMES["200"][0]
        limit = login_limit(**limits)
        api = Blueprint("api", "api")

        def log_in(*_):
            return self.outcome()

        async def on_async():
            return self.outcome()

        class OnMethod(MethodView):
            post = limit(log_in)

        @limit
        class OnClass(MethodView):
            post = log_in

        self.app.add_url_rule("/function", view_func=limit(log_in), methods=["POST"], endpoint="f")
        self.app.add_url_rule("/async", view_func=limit(on_async), methods=["POST"], endpoint="a")
        self.app.add_url_rule("/method", view_func=OnMethod.as_view("m"))
        self.app.add_url_rule("/class", view_func=OnClass.as_view("c"))
        code = login_limit(**limits, kind="code")(log_in)
        self.app.add_url_rule("/code", view_func=code, methods=["POST"], endpoint="code")
        api.post("/blueprint")(limit(log_in))
        self.app.register_blueprint(api)

    def post(self, path="/function", email="ada@x.com", address="10.0.0.1", **options):
        given = (
            options
            if options.keys() & {"json", "data", "headers", "query_string"}
            else {"json": {"email": email}}
        )
        return self.app.test_client().post(path, environ_base={"REMOTE_ADDR": address}, **given)

    def fail(self, count, **options):
        self.outcome = OUTCOMES["401 raised"][0]
        return [self.post(**options).status_code for _ in range(count)]


@pytest.mark.parametrize("path", ["/function", "/async", "/method", "/class", "/blueprint"])
def test_every_kind_of_view(path):
    """Three wrong passwords are looked at, the fourth is not; Retry-After says when."""
    site = Site()
    assert site.fail(5, path=path) == [401] * 3 + [429] * 2
    answer = site.post(path)
    assert 3_500 < int(answer.headers["Retry-After"]) <= 3_600
    assert answer.json["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert site.post(path, "bob@x.com").status_code == 401


@pytest.mark.parametrize(("outcome", "status", "meaning"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_counts(outcome, status, meaning):
    """401 and 403 are failures, however they are said; 2xx is a success, the rest is neither; the answer stays."""
    site = Site()
    site.fail(2)
    site.outcome = outcome
    assert site.post().status_code == status
    left = site.fail(4).count(401)
    # A success forgets, and the address passes the account's limit from then on.
    assert left == {"failure": 0, "success": 4, "nothing": 1}[meaning]


@pytest.mark.parametrize(("outcome", "status", "meaning"), FORM_OUTCOMES.values(), ids=FORM_OUTCOMES)
def test_what_counts_where_the_view_says_it(outcome, status, meaning):
    """`failed` sees the response, in whatever form the view gave it; the form again with 200 is a failure then."""
    site = Site(
        LIMITS | {"failed": lambda response: response.status_code == 200 and b"Wrong" in response.data}
    )
    site.fail(2)
    site.outcome = outcome
    assert site.post().status_code == status
    assert site.fail(4).count(401) == {"failure": 0, "success": 4, "nothing": 1}[meaning]


def test_the_owner_cannot_be_locked_out():
    """Who has logged in from an address gets in while others fill the account."""
    site = Site()
    assert site.post(address="10.0.0.7").status_code == 200
    assert site.fail(4, address="10.6.6.6") == [401] * 3 + [429]
    site.outcome = OUTCOMES["200"][0]
    assert site.post(address="10.6.6.6").status_code == 429
    assert site.post(address="10.0.0.7").status_code == 200


def test_an_address_that_tries_many_accounts_is_stopped():
    """By its own limit."""
    site = Site(LIMITS | {"per_address": "5/hour"})
    statuses = [site.fail(1, email=f"user{number}@x.com")[0] for number in range(7)]
    assert statuses == [401] * 5 + [429] * 2


@pytest.mark.parametrize(
    ("account", "options"),
    [
        ("email", {"json": {"email": "Ada@X.com "}}),
        ("email", {"data": {"email": "ada@x.com"}}),
        ("user.login", {"json": {"user": {"login": "ada@x.com"}}}),
        ("pin", {"json": {"pin": 4711}}),
        (lambda: request.headers["X-Login"], {"headers": {"X-Login": "ada@x.com"}}),
    ],
)
def test_where_the_account_stands(account, options):
    """A field of the JSON body or a form, in any spelling; a dotted path; a function."""
    site = Site(LIMITS | {"account": account})
    statuses = [site.fail(1, address=f"10.0.0.{number}", **options)[0] for number in range(4)]
    assert statuses == [401] * 3 + [429]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"data": b'{"email": "ada@x.com"}', "content_type": "text/plain"},
        {"query_string": {"email": "ada@x.com"}},
    ],
)
def test_to_write_the_account_elsewhere_is_no_way_round(elsewhere):
    """A view may read it whatever the type is said to be; the limit does too."""
    site = Site(LIMITS)
    assert [site.fail(1, address=f"10.0.0.{number}", **elsewhere)[0] for number in range(3)] == [401] * 3
    assert site.fail(1, address="10.0.0.9", json={"email": "ada@x.com"}) == [429]


@pytest.mark.parametrize(
    "hidden", [{"json": {"email": ["ada@x.com"]}}, {"headers": {"X-Email": "ada@x.com"}}]
)
def test_who_hides_the_account_shares_one(hidden):
    """From whatever address; and a right login among them opens nothing to the others, nor shuts it for who hides nothing."""
    site = Site(LIMITS)
    assert site.post(address="10.0.0.1", **hidden).status_code == 200
    statuses = [site.fail(1, address="10.0.0.1", **hidden)[0] for _ in range(4)]
    assert statuses == [401] * 3 + [429]
    assert site.fail(1, address="10.0.0.2", **hidden) == [429]
    assert site.fail(1, address="10.0.0.2", json={"email": "ada@x.com"}) == [401]


@pytest.mark.parametrize(
    "options",
    [
        {"json": {}},
        {"json": {"email": None}},
        {"json": {"email": ["x"]}},
        {"json": {"email": {"a": 1}}},
        {"json": {"email": True}},
        {"json": {"email": ""}},
        {"json": [1]},
        {"json": "x"},
        {"data": b"{", "content_type": "application/json"},
        {"data": b"\xff\x00", "content_type": "application/x-www-form-urlencoded"},
        {"json": {"email": "x" * 100_000}},
        {"json": {"email": "\ud800\x00"}},
        {"data": b'{"email": 1' + b"0" * 4_000 + b"}", "content_type": "application/json"},
    ],
    ids=range(13),
)
def test_hostile_bodies(options):
    """Never a 500."""
    site = Site(LIMITS | {"per_address": "4/hour", "per_account": "100/hour"})
    assert site.fail(6, **options) == [401] * 4 + [429] * 2


def test_waits_grow_between_failures():
    """By the settings, for login_limit as for the kit's own login: after the second failure a pause."""
    site = Site(
        LIMITS | {"per_account": "50/hour"},
        BACKEND_AUTH_FAILURES_FREE=2,
        BACKEND_AUTH_FAILURES_WAIT_SECONDS=60,
    )
    assert site.fail(4) == [401, 401, 429, 429]
    assert int(site.post().headers["Retry-After"]) <= 30  # the longest wait
    assert site.fail(1, address="10.0.0.2") == [401]


def test_it_counts_with_the_other_processes(redis_url):
    """Two apps of one name on one Redis are one."""
    one, two = (Site(BACKEND_REDIS_URL=redis_url) for _ in range(2))
    assert one.fail(2) == [401] * 2
    assert two.fail(2) == [401, 429]


def test_rates_of_the_settings_and_kinds():
    """Without rates those of BACKEND_AUTH_FAILURES_* count; each kind of view by itself."""
    config = {"BACKEND_AUTH_FAILURES_PER_ACCOUNT": "2/hour", "BACKEND_AUTH_ENABLED": False}
    site = Site({"account": "email"}, **config)
    assert site.fail(3) == [401, 401, 429]
    assert site.fail(3, path="/code") == [401, 401, 429]


def test_without_the_feature_nothing_is_limited():
    """BACKEND_LIMITS_ENABLED = False."""
    assert Site(BACKEND_LIMITS_ENABLED=False).fail(6) == [401] * 6


def test_it_is_documented_and_listed():
    """429 with Retry-After in the document, `failures, by address and account` in the route table."""
    declared = login_limit(**LIMITS)(lambda: None).__backend_guard__.declarations[0]
    assert declared.error_statuses("POST") == (429,)
    assert declared.audit("POST") == {"limit": "failures, by address and account"}
    assert "Retry-After" in declared.documentation("POST").operation["responses"]["429"]["headers"]


@pytest.mark.parametrize(
    "options",
    [
        {"account": ""},
        {"account": 7},
        {"account": "a", "per_address": "often"},
        {"account": "a", "per_account": "0/minute"},
        {"account": "a", "kind": ""},
        {"account": "a", "kind": "a b"},
        {"account": None, "kind": None},
        {"account": None, "failed": 401},
    ],
)
def test_what_cannot_be_declared(options):
    """An error when the view is decorated, which names the option."""
    from flask_backend_patterns import SetupError

    with pytest.raises(SetupError, match="@login_limit"):
        login_limit(**options)


def test_a_refused_flood_is_one_line_a_request(caplog):
    """The access log's."""
    site = Site()
    site.fail(4)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="flask_backend_patterns"):
        assert site.fail(20) == [429] * 20
    assert [record.getMessage().split()[0] for record in caplog.records] == ["request"] * 20
