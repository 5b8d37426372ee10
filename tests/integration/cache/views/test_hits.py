"""What a cached view answers: from which entry, with which headers."""

from __future__ import annotations

import asyncio
import functools

import pytest
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Response, request
from flask.views import MethodView, View
from marshmallow import Schema, fields

from flask_backend_patterns import BackendPatterns, Blueprint, conditional
from flask_backend_patterns.cache.view_cache import cache_control, cached_view


def foreign(view):
    @functools.wraps(view)
    def wrapped(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapped


def add_function(site):
    site.view(cached_view(60))


def add_under_foreign(site):
    site.view(foreign, cached_view(60), foreign)


def add_async(site):
    @site.app.get("/x")
    @cached_view(60)
    async def view():
        await asyncio.sleep(0)
        site.runs.append(1)
        return {"run": len(site.runs)}


def add_method(site):
    class Things(MethodView):
        @cached_view(60)
        def get(self):
            site.runs.append(1)
            return {"run": len(site.runs)}

        def post(self):
            return {"posted": True}

    site.app.add_url_rule("/x", view_func=Things.as_view("view"))


def add_class(site):
    @cached_view(60)
    class Things(View):
        def dispatch_request(self):
            site.runs.append(1)
            return {"run": len(site.runs)}

    site.app.add_url_rule("/x", view_func=Things.as_view("view"))


def add_blueprint(site):
    blueprint = FlaskBlueprint("all", __name__)

    @blueprint.get("/x")
    def view():
        site.runs.append(1)
        return {"run": len(site.runs)}

    cached_view(60)(blueprint)
    site.app.register_blueprint(blueprint)


def add_nested(site):
    class Run(Schema):
        run = fields.Integer()

    inner, outer = Blueprint("inner", __name__), FlaskBlueprint("outer", __name__)

    @inner.get("/x")
    @inner.response(200, Run)
    @cached_view(60)
    def view():
        site.runs.append(1)
        return {"run": len(site.runs), "secret": "dumped away"}

    outer.register_blueprint(inner)
    site.app.register_blueprint(outer)


KINDS = [
    *(add_function, add_under_foreign, add_async, add_method, add_class, add_blueprint, add_nested),
]


@pytest.mark.parametrize("add", KINDS, ids=lambda add: add.__name__)
def test_every_kind_of_view_is_cached(site, add):
    """The second request gets the first one's body, without the view running; after the ttl it runs again."""
    add(site)
    first, second = site.get(), site.get()
    assert first.status_code == second.status_code == 200
    assert first.data == second.data
    assert len(site.runs) == 1
    assert second.headers["Cache-Status"] == '"site"; hit; ttl=60'
    site.clock.now += 61
    site.get()
    assert len(site.runs) == 2


def test_the_headers_of_a_hit(site):
    """The first answer and the later ones have the same ETag and Vary; hits have an Age; the id is new."""
    site.view(
        cached_view(60, vary_on=["header:accept-language"]),
        answer=lambda: Response("{}", headers={"X-Kind": "thing", "Retry-After": "3", "Vary": "Accept"}),
    )
    first = site.get()
    site.clock.now += 7.9
    second = site.get()
    assert first.headers["Cache-Status"] == '"site"; fwd=miss; stored'
    assert second.headers["Cache-Status"] == '"site"; hit; ttl=52'
    assert second.headers["Age"] == "7"
    assert "Age" not in first.headers
    assert first.headers["ETag"] == second.headers["ETag"]
    assert not first.headers["ETag"].startswith("W/")
    assert first.headers["Vary"] == second.headers["Vary"] == "Accept, Accept-Language"
    assert second.headers["X-Kind"] == "thing"
    assert "Retry-After" not in second.headers
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def test_a_client_that_has_it_gets_304(site):
    """On the miss, on the hit, and with the tag that compression made of it."""
    site.view(cached_view(60))
    tag = site.get().headers["ETag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", tag[:-1] + ':gzip"', "*"):
        unchanged = site.get(If_None_Match=sent)
        assert unchanged.status_code == 304
        assert unchanged.data == b""
        assert unchanged.headers["ETag"] == tag
        assert "Content-Type" not in unchanged.headers
    assert site.get(If_None_Match='"other"').status_code == 200
    site.clock.now += 61
    assert site.get(If_None_Match=tag).status_code == 200  # the body counts runs
    assert len(site.runs) == 2


def test_a_miss_answers_304_too(site):
    """A client whose tag is that of the body that was just made."""
    site.view(cached_view(60), answer=lambda: {"same": True})
    tag = site.get().headers["ETag"]
    site.clock.now += 61
    assert site.get(If_None_Match=tag).status_code == 304
    assert len(site.runs) == 2


def test_head_is_served_from_the_entry_of_get_and_fills_none(site):
    """A view may answer HEAD without a body, which must not become GET's."""
    site.view(cached_view(60), answer=lambda: {"method": request.method})
    assert site.get(method="HEAD").headers["Cache-Status"] == '"site"; fwd=bypass'
    assert site.get().json == {"method": "GET"}
    head = site.get(method="HEAD")
    assert head.headers["Cache-Status"].startswith('"site"; hit')
    assert head.headers["Content-Length"] == str(len(site.get().data))
    assert len(site.runs) == 2


def test_a_part_fills_none(site):
    """A request for a range runs the view when there is no entry, and leaves none."""
    site.view(cached_view(60))
    site.get(Range="bytes=0-1")
    site.get()
    assert len(site.runs) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_run(site, method):
    """Only GET and HEAD are cached."""
    site.view(cached_view(60), methods=["GET", method])
    for count in (1, 2):
        assert site.get(method=method).json == {"run": count}


SAME = [
    ("/x?a=1&b=2", "/x?b=2&a=1"),
    ("/x", "/x?"),
    ("/x?a=%31", "/x?%61=1"),
    ("/x?a=1&b=2&a=3", "/x?b=2&a=1&a=3"),
]
DIFFERENT = [
    ("/x?a=1&a=2", "/x?a=2&a=1"),
    ("/x?a=1", "/x?a=1&b="),
    ("/x?a=1,2", "/x?a=1&a=2"),
    ("/x", "/x?a"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_the_order_of_parameters_does_not_count(site, first, second):
    """The same names and values are one entry."""
    site.view(cached_view(60))
    assert site.get(first).json == site.get(second).json


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_what_the_view_could_tell_apart_is_told_apart(site, first, second):
    """Values of one name keep their order."""
    site.view(cached_view(60))
    assert site.get(first).json != site.get(second).json


VARYING = [
    (["header:Accept-Language"], {"Accept_Language": "de"}, {"Accept_Language": "en"}),
    (["header:X-Tenant", "header:Accept-Language"], {"X_Tenant": "a"}, {"Accept_Language": "a"}),
    (["cookie:theme"], {"Cookie": "theme=dark"}, {"Cookie": "theme=light"}),
    ([lambda: request.headers.get("X-Group", "")], {"X_Group": "1"}, {"X_Group": "2"}),
    (None, {"Accept": "text/html"}, {"Accept": "application/json"}),
    (None, {"Host": "a.example"}, {"Host": "b.example"}),
]


@pytest.mark.parametrize(("vary_on", "one", "other"), VARYING)
def test_what_is_declared_tells_entries_apart(site, vary_on, one, other):
    """Each has its own entry, which the same headers find again."""
    site.view(cached_view(60, vary_on=vary_on))
    answers = [site.get(**headers).json["run"] for headers in (one, other, one, other)]
    assert answers == [1, 2, 1, 2]


def test_only_listed_parameters_count_once_one_is_listed(site):
    """Trackers in the query do not make new entries."""
    site.view(cached_view(60, vary_on=["query:page"]))
    answers = [site.get(f"/x?{query}").json["run"] for query in ("page=1&utm=a", "utm=b&page=1", "page=2")]
    assert answers == [1, 1, 2]


def test_a_key_stands_for_path_and_query(site):
    """Two paths of one endpoint can share an entry; other arguments do not."""
    site.view(cached_view(60, key="item:{item_id}"), path="/x/<int:item_id>/<slug>")
    answers = [site.get(path).json["run"] for path in ("/x/1/a", "/x/1/b?c=d", "/x/2/a")]
    assert answers == [1, 1, 2]


def test_tags_and_prefixes_forget(site):
    """By a tag from the path, a function's tag, the endpoint's prefix; and nothing else goes."""
    tagged = cached_view(60, tags=["item:{item_id}", lambda item_id: f"mod:{item_id % 2}"])
    site.view(tagged, path="/x/<int:item_id>")

    def runs():
        return [site.get(f"/x/{number}").json["run"] for number in (1, 2, 3)]

    assert runs() == [1, 2, 3]
    site.engine.invalidate(tags=["item:2"])
    assert runs() == [1, 4, 3]
    site.engine.invalidate(tags=["mod:1"])
    assert runs() == [5, 4, 6]
    site.engine.invalidate(prefix="view:view:")
    assert runs() == [7, 8, 9]
    site.engine.invalidate(tags=["other"], prefix="view:vie:")
    assert runs() == [7, 8, 9]


@pytest.mark.parametrize("may_refresh", [False, True])
def test_clients_have_the_view_run_only_where_they_may(site, may_refresh):
    """`Cache-Control: no-cache` is not heard unless it is declared; then the new response replaces the old one."""
    site.view(cached_view(60, clients_may_refresh=may_refresh))
    site.get()
    site.get(Cache_Control="no-cache")
    assert len(site.runs) == (2 if may_refresh else 1)
    assert site.get().json == {"run": len(site.runs)}


def test_the_tag_of_conditional_is_kept_with_the_body(site):
    """A version's ETag comes back on hits, so that If-Match of a later change fits what was read."""
    version = {"now": 1}
    site.view(
        conditional(version=lambda value: version["now"]),
        cached_view(60),
        answer=lambda: {"v": version["now"]},
    )
    assert site.get().headers["ETag"] == '"1"'
    version["now"] = 2
    old = site.get()
    assert (old.json, old.headers["ETag"]) == ({"v": 1}, '"1"')
    assert site.get(If_None_Match='"1"').status_code == 304
    site.clock.now += 61
    assert site.get(If_None_Match='"1"').headers["ETag"] == '"2"'


def test_the_tag_of_an_old_body_is_not_the_current_one(site):
    """With `current` the tag of a hit is that of its body: else a client would keep the old body under the new tag."""
    version = {"now": 1}
    site.view(
        conditional(current=lambda: version["now"]), cached_view(60), answer=lambda: {"v": version["now"]}
    )
    site.get()
    version["now"] = 2
    assert site.get().headers["ETag"] == '"1"'


def test_the_body_is_kept_uncompressed(make_site):
    """One entry serves those who take gzip and those who do not."""
    site = make_site(BACKEND_SECURITY_COMPRESSION=True)
    site.view(cached_view(60), answer=lambda: {"text": "a" * 5000})
    for accepted in ("gzip", "identity", "gzip"):
        answer = site.get(Accept_Encoding=accepted)
        assert answer.headers.get("Content-Encoding", "identity") == accepted
        assert {"Accept", "Accept-Encoding"} <= set(answer.headers["Vary"].split(", "))
    assert len(site.runs) == 1


def test_cache_control_is_on_hits_and_on_304(site):
    """Whatever order the decorators have."""
    site.view(cached_view(60), cache_control(public=True, max_age=30))
    said = [site.get(), site.get(), site.get(If_None_Match="*")]
    assert [answer.headers.get("Cache-Control") for answer in said] == ["public, max-age=30"] * 3
    assert said[2].status_code == 304


def test_off_it_is_a_plain_view():
    """Without its feature a cached view just runs."""
    app, runs = Flask("plain"), []
    app.config.update(BACKEND_OBSERVABILITY_ACCESS_LOG=False, BACKEND_CACHE_ENABLED=False)
    BackendPatterns().init_app(app)

    @app.get("/x")
    @cached_view(60)
    @cache_control(max_age=5)
    def view():
        runs.append(1)
        return {"run": len(runs)}

    answers = [app.test_client().get("/x") for _ in range(2)]
    assert [answer.json["run"] for answer in answers] == [1, 2]
    assert "Cache-Status" not in answers[1].headers
