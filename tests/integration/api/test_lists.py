"""`@blp.paginate` over HTTP: what a list route reads, sends and documents."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns import (
    BackendPatterns,
    Blueprint,
    CursorPage,
    Filter,
    FilterSet,
    Format,
    Page,
    SetupError,
)
from flask_backend_patterns.api import Parameters

NUMBERS = [{"id": number, "name": f"n{number % 3}"} for number in range(1, 8)]


class Number(Schema):
    id = fields.Integer()
    name = fields.String()


class NumberFilters(FilterSet):
    name = Filter(fields.String(), operators="eq in")
    id = Filter(fields.Integer(), operators="gte lt")


BY_PAGE = Page(sort=["id", "name"], default_sort="id", limit=3, max_limit=5)
BY_CURSOR = CursorPage(sort=["id", "name"], default_sort="-id", limit=3, max_limit=5, key="id")


def make_app(register, *, wanted=None, **config) -> Flask:
    app = Flask("lists")
    app.config.update(
        BACKEND_API_FORMAT=wanted, BACKEND_OBSERVABILITY_ACCESS_LOG=False, SECRET_KEY="s" * 32, **config
    )
    BackendPatterns().init_app(app)
    register(app)
    return app


def foreign(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def on_functions(app, *, kind=Blueprint):
    blueprint = kind("numbers", "numbers", url_prefix="/numbers")

    @blueprint.get("/")
    @blueprint.response(200, Number)
    @blueprint.paginate(BY_PAGE, filters=NumberFilters)
    def pages():
        return NUMBERS

    @blueprint.get("/feed")
    @blueprint.response(200, Number)
    @blueprint.paginate(BY_CURSOR, filters=NumberFilters)
    def feed():
        return NUMBERS

    app.register_blueprint(blueprint)


def on_async_functions(app):
    blueprint = Blueprint("numbers", "numbers", url_prefix="/numbers")

    @blueprint.get("/")
    @blueprint.response(200, Number)
    @blueprint.paginate(BY_PAGE, filters=NumberFilters)
    async def pages():
        return NUMBERS

    app.register_blueprint(blueprint)


def on_method(app):
    blueprint = Blueprint("numbers", "numbers", url_prefix="/numbers")

    @blueprint.route("/")
    class Pages(MethodView):
        @blueprint.response(200, Number)
        @blueprint.paginate(BY_PAGE, filters=NumberFilters)
        def get(self):
            return NUMBERS

    app.register_blueprint(blueprint)


def on_nested(app):
    outer = Blueprint("outer", "outer")
    on_functions(SimpleNamespace(register_blueprint=outer.register_blueprint))
    app.register_blueprint(outer)


def under_foreign(app):
    blueprint = Blueprint("numbers", "numbers", url_prefix="/numbers")

    @blueprint.get("/")
    @foreign
    @blueprint.response(200, Number)
    @foreign
    @blueprint.paginate(BY_PAGE, filters=NumberFilters)
    def pages():
        return NUMBERS

    app.register_blueprint(blueprint)


@pytest.mark.parametrize("register", [on_functions, on_async_functions, on_method, on_nested, under_foreign])
def test_pages_on_every_kind_of_view(register):
    """Items, `meta` and `Link` as the contract says; wrong and unknown parameters are refused."""
    client = make_app(register).test_client()
    answer = client.get("/numbers/?page=2&sort=-id&id_gte=2")
    assert answer.json == {
        "data": [{"id": number, "name": f"n{number % 3}"} for number in (4, 3, 2)],
        "meta": {"page": 2, "limit": 3, "total": 6, "totalPages": 2, "hasNext": False, "hasPrev": True},
    }
    assert answer.headers["Link"] == (
        '</numbers/?sort=-id&id_gte=2&page=1>; rel="first", </numbers/?sort=-id&id_gte=2&page=1>; rel="prev", '
        '</numbers/?sort=-id&id_gte=2&page=2>; rel="last"'
    )
    refused = client.get("/numbers/?page=0")
    assert (refused.status_code, refused.json["error"]["details"][0]["field"]) == (422, "page")
    unknown = client.get("/numbers/?size=1").json["error"]["details"][0]
    assert unknown == {
        "field": "size",
        "in": "query",
        "message": "Unknown parameter. Allowed: id_gte, id_lt, limit, name, name_in, order, page, sort.",
    }


def test_cursors_are_followed_by_their_links():
    """From the first page to the last and back, each item once."""
    client = make_app(on_functions).test_client()
    seen, url = [], "/numbers/feed?limit=2"
    while url:
        answer = client.get(url)
        seen += [item["id"] for item in answer.json["data"]]
        links = {
            part.split('rel="')[1].rstrip('"'): part[1 : part.index(">")]
            for part in answer.headers["Link"].split(", ")
        }
        assert ("next" in links) == answer.json["meta"]["hasNext"]
        url = links.get("next")
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert client.get(links["prev"]).json["data"] == [NUMBERS[2], NUMBERS[1]]
    assert client.get(links["first"]).json["data"] == [NUMBERS[6], NUMBERS[5]]


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "é"])
def test_a_forged_cursor_is_a_400(cursor):
    """Not a 422: nothing about it can be corrected."""
    answer = make_app(on_functions).test_client().get("/numbers/feed", query_string={"cursor": cursor})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "INVALID_CURSOR")


def test_a_cursor_of_another_route_filter_sort_or_secret_is_forged():
    """It is bound to all of them; after a change of the secret the old one still reads."""
    app = make_app(on_functions)
    cursor = app.test_client().get("/numbers/feed?limit=2").json["meta"]["nextCursor"]

    def status(app, query=""):
        return app.test_client().get(f"/numbers/feed?cursor={cursor}&{query}").status_code

    assert status(app) == 200
    assert status(app, "sort=name") == status(app, "name=n1") == 400
    changed = {"SECRET_KEY_FALLBACKS": ["s" * 32]}
    other = make_app(on_functions)
    other.config["SECRET_KEY"] = "t" * 32
    assert status(other) == 400
    other.config.update(changed)
    assert status(other) == 200
    assert status(make_app(on_functions, BACKEND_API_CURSOR_SECRET="u" * 32)) == 400


def test_a_cursor_is_bound_to_the_path_it_came_from():
    """That of one owner's list is none for another's."""

    def register(app):
        blueprint = Blueprint("owned", "owned")

        @blueprint.get("/<owner>/numbers")
        @blueprint.response(200, Number)
        @blueprint.paginate(BY_CURSOR)
        def feed(owner):
            return NUMBERS

        app.register_blueprint(blueprint)

    client = make_app(register).test_client()
    cursor = client.get("/a/numbers").json["meta"]["nextCursor"]
    assert client.get(f"/a/numbers?cursor={cursor}").status_code == 200
    assert client.get(f"/b/numbers?cursor={cursor}").status_code == 400


def test_cursors_without_a_secret_say_what_to_set():
    """They could not be signed."""
    app = make_app(on_functions)
    app.config["SECRET_KEY"] = None
    app.testing = True
    with pytest.raises(SetupError, match="set SECRET_KEY or BACKEND_API_CURSOR_SECRET"):
        app.test_client().get("/numbers/feed")


OWN = Format(
    list_key="numbers",
    meta_key=None,
    meta_names={"total": "numbersCount"},
    parameters=Parameters(offset="offset", sort="orderBy"),
    ignore_unknown=True,
)


def test_an_api_may_name_everything_its_own_way():
    """Offset and limit, its own list key, the page's fields beside the list, unknown parameters tolerated."""
    app = make_app(on_functions, wanted=OWN)
    answer = app.test_client().get("/numbers/?offset=5&limit=3&orderBy=-id&page=9&utm=1")
    assert answer.json == {"numbers": [NUMBERS[1], NUMBERS[0]], "numbersCount": 7}
    assert 'offset=2>; rel="prev"' in answer.headers["Link"]


def test_without_an_envelope_a_page_is_a_bare_list():
    """What `meta` would say stands in `Link` and `X-Total-Count`."""
    answer = make_app(on_functions, wanted=Format(envelope=False)).test_client().get("/numbers/?limit=5")
    assert answer.json == NUMBERS[:5]
    assert answer.headers["X-Total-Count"] == "7"
    assert 'rel="next"' in answer.headers["Link"]
    assert "X-Total-Count" not in make_app(on_functions).test_client().get("/numbers/").headers


def test_links_keep_the_apps_mount_point_and_unusual_text():
    """A path below SCRIPT_NAME, and parameters with spaces and non-ASCII letters."""
    client = make_app(on_functions).test_client()
    answer = client.get("/numbers/?name_in=n1,ü x&limit=1", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert '</shop/numbers/?name_in=n1%2C%C3%BC+x&limit=1&page=2>; rel="next"' in answer.headers["Link"]
    answer = client.get("/numbers/?limit=1", environ_overrides={"SCRIPT_NAME": "/shop/"})
    assert '</shop/numbers/?limit=1&page=2>; rel="next"' in answer.headers["Link"]


def test_paginate_above_response_is_told():
    """The order would page a response; the mistake is named at the first request."""
    app = Flask("wrong")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("numbers", "numbers")

    @blueprint.get("/")
    @blueprint.paginate(BY_PAGE)
    @blueprint.response(200, Number(many=True))
    def pages():
        return NUMBERS

    app.register_blueprint(blueprint)
    app.testing = True
    with pytest.raises(SetupError, match=r"@blp.paginate goes below @blp.response"):
        app.test_client().get("/")


def test_a_filter_called_like_a_page_parameter_is_told():
    """`?limit=` cannot mean two things."""

    class Clashing(FilterSet):
        limit = Filter(fields.Integer(), operators="eq")

    app = Flask("clash")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("numbers", "numbers")
    blueprint.add_url_rule("/", "pages", blueprint.paginate(BY_PAGE, filters=Clashing)(lambda: NUMBERS))
    app.register_blueprint(blueprint)
    app.testing = True
    with pytest.raises(SetupError, match="limit: a filter cannot be called"):
        app.test_client().get("/")


def test_flask_smorests_own_paginate_still_works():
    """Blueprints that come from there page as before, and their parameters are known."""
    app = Flask("smorest")
    BackendPatterns().init_app(app)
    blueprint = Blueprint("numbers", "numbers")

    @blueprint.get("/")
    @blueprint.response(200, Number(many=True))
    @blueprint.paginate()
    def pages(pagination_parameters):
        pagination_parameters.item_count = 7
        first, last = pagination_parameters.first_item, pagination_parameters.last_item
        return NUMBERS[first : last + 1]

    app.register_blueprint(blueprint)
    client = app.test_client()
    answer = client.get("/?page=2&page_size=3")
    assert [item["id"] for item in answer.json["data"]] == [4, 5, 6]
    assert '"total": 7' in answer.headers["X-Pagination"]


def test_a_select_is_run_on_the_apps_session(database_url):
    """A view returns the statement; filters, sort, page and count are made of it."""

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "rows"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class RowFilters(FilterSet):
        name = Filter(fields.String(), Row.name, "eq contains")

    db = SQLAlchemy(model_class=Base)

    def register(app):
        db.init_app(app)
        blueprint = Blueprint("rows", "rows", url_prefix="/rows")

        @blueprint.get("/")
        @blueprint.response(200, Number)
        @blueprint.paginate(Page(sort={"name": Row.name}, limit=2), filters=RowFilters)
        def rows():
            return select(Row)

        app.register_blueprint(blueprint)

    app = make_app(register, SQLALCHEMY_DATABASE_URI=database_url)
    with app.app_context():
        db.create_all()
        db.session.add_all(Row(id=item["id"], name=item["name"]) for item in NUMBERS)
        db.session.commit()
    answer = app.test_client().get("/rows/?sort=-name&name_contains=1")
    assert [item["id"] for item in answer.json["data"]] == [7, 4]
    assert answer.json["meta"]["total"] == 3
    with app.app_context():
        db.engine.dispose()


def test_the_document_has_every_parameter_and_the_page():
    """Names, bounds and sort keys in the query; `data`, `meta` and `Link` in the answer; 400 where there are cursors."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    BackendPatterns().init_app(app)
    api = Api(app)
    on_functions(api)
    paths = api.spec.to_dict()["paths"]
    pages, feed = paths["/numbers/"]["get"], paths["/numbers/feed"]["get"]
    names = {parameter["name"] for parameter in pages["parameters"]}
    assert names == {"page", "limit", "sort", "order", "name", "name_in", "id_gte", "id_lt"}
    limit = next(parameter for parameter in pages["parameters"] if parameter["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 5, 3)
    page = pages["responses"]["200"]["content"]["application/json"]["schema"]
    assert page["required"] == ["data", "meta"]
    assert page["properties"]["data"] == {"type": "array", "items": {"$ref": "#/components/schemas/Number"}}
    assert page["properties"]["meta"]["required"] == [
        "page", "limit", "total", "totalPages", "hasNext", "hasPrev"
    ]  # fmt: skip
    assert "Link" in pages["responses"]["200"]["headers"]
    assert "400" not in pages["responses"]
    assert {"400", "422", "406"} <= set(feed["responses"])
    meta = feed["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["meta"]
    assert meta["properties"]["nextCursor"]["type"] == ["string", "null"]


def test_the_document_follows_the_format():
    """The parameters' own names, and the page where the format puts it."""
    app = Flask("documented")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0", BACKEND_API_FORMAT=OWN)
    BackendPatterns().init_app(app)
    api = Api(app)
    on_functions(api)
    pages = api.spec.to_dict()["paths"]["/numbers/"]["get"]
    assert {"offset", "orderBy"} < {parameter["name"] for parameter in pages["parameters"]}
    page = pages["responses"]["200"]["content"]["application/json"]["schema"]
    assert page["required"] == ["numbers", "numbersCount"]


@pytest.mark.parametrize("style", [Page, CursorPage])
def test_a_style_that_was_not_made_is_told(style):
    """flask-smorest's own way of writing it, with the class itself, is an error where it is written."""
    with pytest.raises(SetupError, match=rf"write {style.__name__}\(\)"):
        Blueprint("numbers", "numbers").paginate(style)


def test_a_list_that_nobody_pages_is_told():
    """A schema for one would dump nothing of it, without a word."""

    def register(app):
        blueprint = Blueprint("numbers", "numbers")
        blueprint.add_url_rule("/", "all", blueprint.response(200, Number)(lambda: NUMBERS))
        app.register_blueprint(blueprint)

    app = make_app(register)
    app.testing = True
    with pytest.raises(SetupError, match="many=True"):
        app.test_client().get("/")


@pytest.mark.parametrize(
    "options",
    [
        {"meta_names": {"totl": "count"}},
        {"meta_key": None, "meta_names": {"total": "data"}, "data_key": "data"},
        {"meta_key": "items", "list_key": "items"},
    ],
)
def test_page_fields_that_make_no_sense_are_told(options):
    """Unknown ones, and those that would stand where the items are."""
    with pytest.raises(SetupError, match="Format"):
        Format(**options)


def test_the_page_fields_of_a_format_are_those_that_pages_have():
    """What can be renamed is what both styles document."""
    from flask_backend_patterns.api.format import META_FIELDS

    found = {*Page().meta_fields(), *Page().meta_fields(Parameters(offset="o")), *CursorPage().meta_fields()}
    assert found == META_FIELDS
