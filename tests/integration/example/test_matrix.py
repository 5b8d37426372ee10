"""Every route and method of the shop, asked by every kind of caller, against what the audit says about it."""

from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.routing import Map, Rule

from example_app import create_app
from example_app.access import ROLES
from example_app.models import ROLES as KNOWN_ROLES
from flask_backend_patterns import RouteEntry, route_table
from flask_backend_patterns.auth.state import auth_state
from flask_backend_patterns.testing import assert_routes_match

from .audited_access import Reach, Standing, Verdict, expected, reach_of
from .callers import CALLERS, Caller
from .logins import SECRET
from .staged_shop import REQUESTS, Asked, Stage, ask_for

SNAPSHOT = Path(__file__).parent / "routes.txt"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
# What views refuse beyond what the audit says of them: they may only be stricter.
FOR_PEOPLE = ("auth.", "browser_account.")
OWN_INSIDE = {"auth.end_api_key", "auth.end_session"}


@pytest.fixture(scope="module")
def bare_app(tmp_path_factory) -> Flask:
    """The shop without anything behind it."""
    return create_app(
        {"SHOP_INSTANCE": tmp_path_factory.mktemp("bare"), "JWT_SECRET_KEY": SECRET, "TESTING": True}
    )


def path_of(entry: RouteEntry, asked: Asked) -> str:
    rules = Map([Rule(entry.rule.replace("<int(max=2147483647):", "<int:"), endpoint="it")])
    return rules.bind("localhost").build("it", asked.path)


def wanted(entry: RouteEntry, caller: Caller, *, is_own: bool) -> Verdict:
    """By the audit, and where a view is known to be stricter, by that."""
    verdict = expected(entry.columns, caller.standing_for(entry.method), roles=ROLES, is_own=is_own)
    if verdict is not Verdict.IN:
        is_forged = caller.lacks_csrf and caller.standing_for(entry.method) is not caller.standing
        return Verdict.FORBIDDEN if is_forged else verdict
    if entry.endpoint == "auth.logout" and caller.lacks_csrf:
        return Verdict.FORBIDDEN
    if entry.columns["authentication"] == "required" and "permission" not in entry.columns:
        if caller.is_key and entry.endpoint.startswith(FOR_PEOPLE):
            return Verdict.FORBIDDEN
        if entry.endpoint in OWN_INSIDE and not is_own:
            return Verdict.NOT_FOUND
    return verdict


def got(response) -> object:
    """The verdict that an answer means; pages send anonymous readers to the form instead of saying 401."""
    target = urlsplit(response.headers.get("Location", ""))
    if response.status_code == 302 and target.path == "/login" and target.query.startswith("next="):
        return Verdict.UNAUTHORIZED
    if response.status_code in {401, 403, 404}:
        return Verdict(response.status_code)
    return Verdict.IN if response.status_code < 400 else (response.status_code, response.text)


def is_about_something(entry: RouteEntry) -> bool:
    """Whether what it is about belongs to somebody."""
    return "_id>" in entry.rule and "product_id>" not in entry.rule and "import_id>" not in entry.rule


def send(stage: Stage, entry: RouteEntry, caller: Caller, *, is_own: bool, method: str = ""):
    """The answer to a request that would be right from somebody who may; and who has sent it."""
    caller_id = stage.somebody(caller.role)
    owner_id = stage.somebody("customer") if is_about_something(entry) and not is_own else caller_id
    with stage.app.app_context():
        headers = caller.headers_of(caller_id, caller.role)
        asked = ask_for(stage, entry.method, entry.rule, caller_id=caller_id, owner_id=owner_id)
    options = dict(asked.options)
    headers |= options.pop("headers", {})
    if asked.cookie:
        headers["Cookie"] = "; ".join(filter(None, [headers.get("Cookie"), asked.cookie]))
    client = stage.app.test_client(use_cookies=False)
    path = path_of(entry, asked)
    with client.open(path, method=method or entry.method, headers=headers, **options) as response:
        response.get_data()
    return response, caller_id


def shows_others(entry: RouteEntry, caller: Caller, caller_id: int, response) -> bool:
    """Whether a narrowed list shows what is somebody else's to a caller who may read the own only."""
    if entry.method != "GET" or entry.columns.get("ownership") != "scoped list":
        return False
    if reach_of(entry.columns["permission"], caller.standing, ROLES) is not Reach.OWN:
        return False
    data = response.get_json()["data"]
    if isinstance(data, dict):
        return data["name"] != f"Customer {caller_id}"
    return [row["user_id"] for row in data] != [caller_id]


def test_the_routes_are_the_committed_ones(bare_app):
    """A changed permission is a changed line of routes.txt, seen in review."""
    assert_routes_match(bare_app, SNAPSHOT)


def test_nothing_is_undeclared_and_everything_is_staged(bare_app):
    """No route without a declaration, none without a request in the matrix, and no request without its route."""
    entries = route_table(bare_app)
    assert [entry.rule for entry in entries if entry.is_undeclared or entry.bypassed] == []
    assert {(entry.method, entry.rule) for entry in entries} == REQUESTS.keys()
    assert set(ROLES) == set(KNOWN_ROLES) == {caller.name for caller in CALLERS} & set(KNOWN_ROLES)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_who_gets_in_is_who_the_audit_names(stage, caller):
    """All routes, about the own and about somebody else's: in, 401, 403 or 404 as the audit and the roles say."""
    wrong = []
    for entry in route_table(stage.app):
        for is_own in (True, False) if is_about_something(entry) else (False,):
            response, caller_id = send(stage, entry, caller, is_own=is_own)
            promised, answered = wanted(entry, caller, is_own=is_own), got(response)
            if answered is not promised or (
                answered is Verdict.IN and shows_others(entry, caller, caller_id, response)
            ):
                wrong.append((entry.method, entry.rule, is_own, promised, answered, response.text[:300]))
    assert wrong == []


@pytest.mark.parametrize("name", ["nobody", "customer", "expired", "key without scopes"])
def test_head_is_answered_as_get(stage, name):
    """HEAD opens nothing that GET keeps shut, and tells the same."""
    caller = next(caller for caller in CALLERS if caller.name == name)
    for entry in route_table(stage.app):
        if entry.method == "GET" and entry.endpoint != "(backend)":
            head, _ = send(stage, entry, caller, is_own=False, method="HEAD")
            assert got(head) is wanted(entry, caller, is_own=False), entry.rule


def test_methods_that_are_not_audited_do_not_exist(stage):
    """405 for everything that the audit has no line for, whoever asks."""
    admin = next(caller for caller in CALLERS if caller.name == "admin")
    entries = route_table(stage.app)
    answered = {(entry.rule, entry.method) for entry in entries}
    for entry in entries:
        if entry.endpoint == "(backend)":
            continue
        for method in METHODS:
            if (entry.rule, method) not in answered:
                response, _ = send(stage, entry, admin, is_own=True, method=method)
                assert response.status_code == 405, (method, entry.rule)


def test_what_belongs_to_others_stays(stage):
    """Ending somebody else's session or key, by whatever route, ends nothing."""
    admin = next(caller for caller in CALLERS if caller.name == "admin")
    for entry in route_table(stage.app):
        if "<string:" not in entry.rule:
            continue
        victim, attacker = stage.somebody("customer"), stage.somebody("admin")
        with stage.app.app_context():
            asked = ask_for(stage, entry.method, entry.rule, caller_id=attacker, owner_id=victim)
            headers = admin.headers_of(attacker, "admin")
        stage.app.test_client().open(path_of(entry, asked), method=entry.method, headers=headers)
        with stage.app.app_context():
            state, user = auth_state(), str(victim)
            left = state.api_keys.list(user) if "key_id" in asked.path else state.sessions.list(user)
        assert [item.id for item in left] == list(asked.path.values()), entry.rule


@pytest.mark.parametrize(
    ("grants", "permission", "reach"),
    [
        (["orders:read"], "orders:read", Reach.ALL),
        (["orders:read:own"], "orders:read", Reach.OWN),
        (["orders:read:own", "orders:*"], "orders:read", Reach.ALL),
        (["orders:*"], "orders", Reach.NONE),
        (["orders:*:own"], "orders:read", Reach.OWN),
        (["shop:*:read"], "shop:a:read", Reach.ALL),
        (["shop:*:read"], "shop:read", Reach.NONE),
        (["orders:refund"], "orders:read", Reach.NONE),
        (["*"], "anything", Reach.ALL),
        ([], "anything", Reach.NONE),
    ],
)
def test_the_expectation_reads_grants_as_documented(grants, permission, reach):
    """The reading that the matrix relies on, by the table of docs/authorization.md."""
    roles = {"worker": {"permissions": [], "inherits": ["base"]}, "base": grants}
    assert reach_of(permission, Standing(counts=True, role="worker"), roles) is reach
    narrowed = Standing(counts=True, role="worker", scopes=("unrelated",))
    assert reach_of(permission, narrowed, roles) is Reach.NONE


def test_the_snapshot_is_in_the_order_of_its_rules():
    """So that two branches that add routes touch different lines."""
    rules = [line.split(" ")[1] for line in SNAPSHOT.read_text().splitlines()]
    assert all(one <= other for one, other in pairwise(rules))
