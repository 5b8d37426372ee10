"""PITFALLS C1: no caller gets an answer that was made for another, and nobody gets one without being let in."""

from __future__ import annotations

import functools

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Response, g, request, session
from flask.views import MethodView

from flask_backend_patterns import (
    SetupError,
    current_actor,
    public,
    require_auth,
    require_permission,
    require_role,
)
from flask_backend_patterns.cache.view_cache import cache_control, cached_view

ROLES = {
    "reader": ["orders:read"],
    "lister": ["orders:read:own"],
}
GUARDS = [
    require_auth,
    require_auth(optional=True),
    require_role("reader"),
    require_permission("orders:read"),
]


def foreign(view):
    @functools.wraps(view)
    def wrapped(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapped


@pytest.fixture
def site(make_site):
    return make_site(BACKEND_AUTH_ROLES=ROLES)


def who():
    return {"who": current_actor.id}


@pytest.mark.parametrize("guard", GUARDS, ids=range(len(GUARDS)))
def test_a_guarded_view_has_to_say_by_what_it_varies(site, guard):
    """In either order: at the decorator, or at the first request to it; the log says it at the very first request."""
    with pytest.raises(SetupError, match="vary_on"):
        site.view(cached_view(60), guard, endpoint="above")
    site.view(guard, cached_view(60), endpoint="below")
    with pytest.raises(SetupError, match="vary_on"):
        site.get(actor="ann", roles=["reader"])
    assert site.runs == []


def test_what_is_unsafe_is_logged_at_the_first_request(site, caplog):
    """Whoever asks for what."""
    site.view(require_auth, cached_view(60), path="/unsafe", endpoint="unsafe")
    with caplog.at_level("ERROR"):
        site.get("/other")
    assert "view_cache_unsafe" in caplog.text
    assert "unsafe" in caplog.text


@pytest.mark.parametrize("vary_on", [["header:Accept-Language"], ["query:page"], ["cookie:a"], []])
def test_headers_and_parameters_say_nothing_of_callers(site, vary_on):
    """They leave open whether callers share an entry."""
    with pytest.raises(SetupError, match="caller to caller"):
        site.view(cached_view(60, vary_on=vary_on), require_auth)


def test_a_blueprint_behind_authentication_is_refused(site):
    """Declared on the blueprint, cached on the view."""
    blueprint = FlaskBlueprint("b", __name__)
    require_auth(blueprint)

    @blueprint.get("/x")
    @cached_view(60)
    def view():
        return who()

    site.app.register_blueprint(blueprint)
    with pytest.raises(SetupError, match="vary_on"):
        site.get(actor="ann")


def test_a_class_behind_authentication_is_refused(site):
    """Declared on the class, cached on the method."""

    @require_auth
    class Things(MethodView):
        @cached_view(60)
        def get(self):
            return who()

    site.app.add_url_rule("/x", view_func=Things.as_view("x"))
    with pytest.raises(SetupError, match="vary_on"):
        site.get(actor="ann")


def test_a_cache_outside_of_the_check_is_refused(site):
    """With a foreign decorator in between the check would not be asked on hits."""
    site.view(cached_view(60, vary_on=["actor"]), foreign, require_auth)
    with pytest.raises(SetupError, match="without asking"):
        site.get(actor="ann")
    assert site.runs == []


def test_a_cached_blueprint_outside_of_a_guarded_class_is_refused(site):
    """The class asks further in than the blueprint."""
    blueprint = FlaskBlueprint("b", __name__)

    @require_auth
    class Things(MethodView):
        def get(self):
            return who()

    blueprint.add_url_rule("/x", view_func=Things.as_view("x"))
    cached_view(60, vary_on=["actor"])(blueprint)
    site.app.register_blueprint(blueprint)
    with pytest.raises(SetupError, match="without asking"):
        site.get(actor="ann")


@pytest.mark.parametrize("order", [1, -1])
def test_each_caller_gets_their_own(site, order):
    """Two users and an anonymous one, in whatever order the decorators stand."""
    decorators = [require_auth, cached_view(60, vary_on=["actor"])][::order]
    site.view(*decorators, answer=who)
    for _ in range(2):
        assert site.get(actor="ann").json == {"who": "ann"}
        assert site.get(actor="bob").json == {"who": "bob"}
        assert site.get().status_code == 401
    assert len(site.runs) == 2
    assert site.get(actor="ann").headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(site.get(actor="ann").headers["Vary"].split(", "))


def test_anonymous_is_a_caller_of_its_own(site):
    """Where logging in is optional, and for a user whose id looks like nobody's."""
    site.view(require_auth(optional=True), cached_view(60, vary_on=["actor"]), answer=who)
    answers = [site.get(actor=actor).json["who"] for actor in (None, "ann", None, "None")]
    assert answers == ["", "ann", "", "None"]


def test_roles_share_an_entry(site):
    """Two readers share, a lister does not; a changed role is another entry at once."""
    site.view(require_auth, cached_view(60, vary_on=["roles"]), answer=lambda: {"run": len(site.runs)})
    callers = [("ann", ["reader"]), ("bob", ["reader"]), ("bob", ["lister"]), ("eve", ["lister", "reader"])]
    assert [site.get(actor=actor, roles=roles).json["run"] for actor, roles in callers] == [1, 1, 2, 3]


def test_shared_by_all_who_may_call(site):
    """One entry; who may not call gets 403, although it is there."""
    site.view(require_permission("orders:read"), cached_view(60, vary_on=["shared"]))
    assert site.get(actor="ann", roles=["reader"]).json == {"run": 1}
    assert site.get(actor="bob", roles=["reader"]).json == {"run": 1}
    assert site.get(actor="ann", roles=[]).status_code == 403
    assert site.get().status_code == 401


def test_scoped_views_are_not_shared(site):
    """What everybody sees their own part of varies by actor."""
    with pytest.raises(SetupError, match="actor"):
        site.view(cached_view(60, vary_on=["roles"]), require_permission("orders:read", scoped=True))


def test_a_shared_view_that_asks_who_calls_is_not_kept(site):
    """The declaration is wrong, and the log says so once."""
    site.view(require_auth, cached_view(60, vary_on=["shared"]), answer=who)
    for actor in ("ann", "bob", "ann"):
        assert site.get(actor=actor).json == {"who": actor}
    assert [event["reason"] for event in site.log.named("view_not_cached")] == ["identity"]


def test_an_undeclared_view_that_asks_who_calls_is_not_kept(site):
    """Public or not declared at all: the actor was asked for while the view ran."""
    site.view(public(reason="all"), cached_view(60), answer=who)
    assert [site.get(actor=actor).json["who"] for actor in ("ann", "bob", None)] == ["ann", "bob", ""]
    assert [said["reason"] for said in site.log.named("view_not_cached")] == [
        "credentials",
        "authentication-inside",
    ]


def test_being_asked_before_the_view(site):
    """A limit by actor asks who calls: what is said to be shared is kept all the same, unless the view asks again."""

    def limit_by_actor():
        site.seen = current_actor.id

    site.app.before_request(limit_by_actor)
    shared = cached_view(60, vary_on=["shared"])
    site.view(public(reason="all"), shared, path="/said", endpoint="said")
    site.view(public(reason="all"), shared, path="/asking", endpoint="asking", answer=who)
    site.view(public(reason="all"), cached_view(60), path="/unsaid", endpoint="unsaid", answer=who)
    assert [site.get("/said", actor=actor).json["run"] for actor in ("ann", "bob", None)] == [1, 1, 1]
    for path in ("/asking", "/unsaid"):
        assert [site.get(path, actor=actor).json["who"] for actor in ("ann", "bob", None)] == [
            "ann",
            "bob",
            "",
        ]


def test_requests_with_credentials_pass_a_view_that_nothing_is_declared_about(site):
    """RFC 9111, 3.5: some decorator of the app's may look at the header, above or below the cache."""

    def basic(view):
        @functools.wraps(view)
        def check():
            return view() if request.authorization else Response(status=401)

        return check

    site.view(cached_view(60), basic, path="/above", endpoint="above")
    site.view(basic, cached_view(60), path="/below", endpoint="below")
    for path in ("/above", "/below"):
        for _ in range(2):
            assert site.get(path, Authorization="Basic YTpi").status_code == 200
            assert site.get(path).status_code == 401


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("vary_on", [None, ["shared"]])
def test_the_decorators_of_flask_jwt_extended(make_site, order, vary_on):
    """`@jwt_required()` above or below, with an identity in the answer: never another's, never without a token."""
    from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required

    site = make_site(BACKEND_AUTH_ENABLED=False)
    JWTManager(site.app)
    decorators = [jwt_required(), cached_view(60, vary_on=vary_on)][::order]
    if order == 1 and vary_on:
        pytest.skip("the user says that all who may call get the same")
    site.view(*decorators, answer=lambda: {"who": get_jwt_identity()})
    for _ in range(2):
        assert site.get(actor="ann").json == {"who": "ann"}
        assert site.get(actor="bob").json == {"who": "bob"}
        assert site.get().status_code == 401


def test_an_optional_token_of_flask_jwt_extended(make_site):
    """The answer to an anonymous caller is not given to one with a token, nor the other way round."""
    from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required

    site = make_site(BACKEND_AUTH_ENABLED=False)
    JWTManager(site.app)
    site.view(cached_view(60), jwt_required(optional=True), answer=lambda: {"who": get_jwt_identity()})
    assert [site.get(actor=actor).json["who"] for actor in (None, "ann", None)] == [None, "ann", None]


def test_what_a_session_is_used_for_is_not_kept(site):
    """Read or written, in the view or before it; a session that nobody touches does not matter."""
    site.view(cached_view(60), path="/read", endpoint="read", answer=lambda: {"cart": session.get("cart")})
    site.view(cached_view(60), path="/plain", endpoint="plain")

    @site.app.post("/cart")
    def fill():
        session["cart"] = request.args["item"]
        return {}

    clients = [site.app.test_client() for _ in range(2)]
    for client, item in zip(clients, "ab", strict=True):
        client.post("/cart", query_string={"item": item})
    carts = [site.get("/read", client=client).json["cart"] for client in (*clients, None)]
    assert carts == ["a", "b", None]
    assert site.get("/plain", client=clients[0]).json == site.get("/plain", client=clients[1]).json


def test_a_session_read_before_the_view(site):
    """As in many apps: `g.user` from the session for every request. A function says by what it varies."""

    def load_user():
        g.user = session.get("user") if request.cookies else None

    site.app.before_request(load_user)
    site.view(cached_view(60), path="/hidden", endpoint="hidden", answer=lambda: {"user": g.user})
    site.view(
        cached_view(60, vary_on=[lambda: g.user]),
        path="/said",
        endpoint="said",
        answer=lambda: {"user": g.user},
    )

    @site.app.post("/login")
    def login():
        session["user"] = request.args["user"]
        return {}

    clients = [site.app.test_client() for _ in range(2)]
    for client, user in zip(clients, ("ann", "bob"), strict=True):
        client.post("/login", query_string={"user": user})
    for path in ("/hidden", "/said"):
        assert site.get(path).json == {"user": None}
        for _ in range(2):
            assert [site.get(path, client=client).json["user"] for client in clients] == ["ann", "bob"]
    assert len(site.runs) == 1 + 4 + 3


def test_a_revoked_permission_counts_at_once(site):
    """Authorization runs on hits: with the role gone the same caller gets 403."""
    site.view(require_permission("orders:read"), cached_view(60, vary_on=["actor"]), answer=who)
    assert site.get(actor="ann", roles=["reader"]).status_code == 200
    assert site.get(actor="ann", roles=[]).status_code == 403


def test_credentials_that_do_not_count_are_401(site):
    """A view that varies by actor asks for them, so a broken token does not get the answer of nobody."""
    site.view(public(reason="all"), cached_view(60, vary_on=["actor"]), answer=who)
    assert site.get().json == {"who": ""}
    assert site.get(Authorization="Bearer broken").status_code == 401


@pytest.mark.parametrize("directives", [{"public": True}, {"s_maxage": 5}, {"public": True, "max_age": 5}])
def test_shared_caches_are_refused_behind_authentication(site, directives):
    """A CDN asks nobody who they are, so no vary_on makes it right."""
    with pytest.raises(SetupError, match="private=True"):
        site.view(cache_control(**directives), require_auth)
    site.view(require_auth, cache_control(**directives))
    with pytest.raises(SetupError, match="private=True"):
        site.get(actor="ann")


def test_shared_caches_are_refused_where_answers_are_personal(site):
    """By a function that looks at whatever."""
    with pytest.raises(SetupError, match="private=True"):
        site.view(cache_control(public=True, max_age=5), cached_view(60, vary_on=[lambda: 1]))


def test_private_caches_are_allowed_behind_authentication(site):
    """A browser keeps it for its user; without a declaration the answer is `private, no-cache`."""
    site.view(require_auth, cache_control(private=True, max_age=5), endpoint="said", path="/said")
    site.view(require_auth, endpoint="silent", path="/silent")
    assert site.get("/said", actor="ann").headers["Cache-Control"] == "private, max-age=5"
    assert site.get("/silent", actor="ann").headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    "sent", [{"json": {"q": "evil"}}, {"data": {"q": "evil"}}, {"data": "x", "headers": {"X": "1"}}]
)
def test_a_get_with_a_body_neither_makes_nor_takes_an_entry(site, sent):
    """The body is no part of the key, and a view may answer by it: else one caller chooses what all others get."""
    site.view(cached_view(60), answer=lambda: {"q": request.form.get("q") or request.get_json(silent=True)})
    client = site.app.test_client()
    first = client.get("/x", **sent)
    assert "bypass; detail=request-body" in first.headers["Cache-Status"]
    assert client.get("/x").json == {"q": None}
    assert client.get("/x", **sent).json == first.json


@pytest.mark.parametrize(
    ("environ", "is_bypassed"),
    [
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, True),
        ({"CONTENT_LENGTH": "x"}, True),
        ({"CONTENT_LENGTH": "0"}, False),
        ({"CONTENT_LENGTH": ""}, False),
    ],
)
def test_whatever_may_announce_a_body_counts(site, environ, is_bypassed):
    """Chunks have no length; no bytes are no body."""
    site.view(cached_view(60))
    status = site.app.test_client().get("/x", environ_overrides=environ).headers["Cache-Status"]
    assert ("request-body" in status) is is_bypassed


@pytest.mark.parametrize("reads", ["headers", "authorization", "before"])
def test_a_public_view_is_not_kept_for_who_shows_credentials(site, reads):
    """RFC 9111, 3.5: that everybody may call says not that everybody gets the same. `shared` says that."""

    def see():
        return {
            "headers": lambda: request.headers.get("Authorization"),
            "authorization": lambda: str(request.authorization),
            "before": lambda: g.seen,
        }[reads]()

    @site.app.before_request
    def look():
        if reads == "before":
            g.seen = str(request.authorization)

    site.view(public(reason="all"), cached_view(60), answer=lambda: {"seen": see()})
    site.view(public(reason="all"), cached_view(60, vary_on=["shared"]), path="/said", endpoint="said")
    for _ in range(2):
        assert "YTpi" in str(site.get(Authorization="Basic YTpi").json)
        assert "YTpi" not in str(site.get().json)
    assert len({site.get("/said", Authorization=f"Basic YTpi{n}").json["run"] for n in range(3)}) == 1


@pytest.mark.parametrize(
    ("vary_on", "is_kept"),
    [(None, False), (["shared"], False), (["roles"], False), (["cookie:uid"], True), (["actor"], True)],
)
def test_a_view_that_reads_cookies_has_to_say_by_which_it_varies(site, vary_on, is_kept):
    """Else the first visitor's answer would be everybody's. Who sends none has what all such visitors get."""
    says_who = vary_on in (["shared"], ["roles"], ["actor"])
    guards = [require_auth(optional=True)] if says_who else []
    site.view(
        *guards, cached_view(60, vary_on=vary_on), answer=lambda: {"uid": request.cookies.get("uid", "-")}
    )
    client = site.app.test_client()
    client.set_cookie("uid", "ann")
    assert client.get("/x").json == {"uid": "ann"}
    status = client.get("/x").headers["Cache-Status"]
    assert ("hit" in status) is is_kept
    if not is_kept:
        assert [said["reason"] for said in site.log.named("view_not_cached")] == ["cookies"]
    if vary_on != ["actor"]:
        assert site.get().json == {"uid": "-"}


def test_cookies_that_the_session_is_read_from_are_not_the_views(site):
    """Opening the session reads cookies, before the view and for every request: that keeps nothing from being kept."""
    site.view(cached_view(60))
    client = site.app.test_client()
    client.set_cookie("theme", "dark")
    assert [client.get("/x").json["run"] for _ in range(3)] == [1, 1, 1]


def test_every_answer_that_is_not_kept_says_why(site):
    """`Cache-Status` has a detail for a failure, too."""
    site.view(cached_view(60), answer=lambda: Response(status=503))
    assert site.get().headers["Cache-Status"] == '"site"; fwd=miss; detail=status'
