"""The page at `/docs`, its files and the document, over WSGI; `tests/e2e/test_docs_in_browser.py` opens it in a browser."""

import gzip
import json
import threading
from enum import Enum
from importlib.resources import files
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.json.provider import JSONProvider
from flask_smorest import Api
from marshmallow import Schema, fields, validate
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_backend_patterns import BackendPatterns, Blueprint, ConfigError, SetupError
from flask_backend_patterns.api.docs import build_answers
from flask_backend_patterns.api.docs.files import BUNDLED, NAMES
from flask_backend_patterns.api.document import YAML, export_document

SMOREST = {"API_TITLE": "Coffee", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
SERVED_BY_SMOREST = {"OPENAPI_URL_PREFIX": "/spec", "OPENAPI_JSON_PATH": "api.json"}
SECOND_API = {"V2_API_TITLE": "Second", "V2_API_VERSION": "2", "V2_OPENAPI_VERSION": "3.1.0"}
DOCS, OPENAPI = "BACKEND_API_DOCS_PATH", "BACKEND_API_OPENAPI_PATH"


def bare_app(**settings):
    """An app with the page on, unless `settings` say otherwise; the extension is not on it yet."""
    app = Flask(__name__)
    app.config.update({**SMOREST, DOCS: "/docs", **settings})
    return app


def make_app(**settings):
    app = bare_app(**settings)
    BackendPatterns(app)
    return app


def add_view(api, name="beans", schema=None):
    blp = Blueprint(name, __name__, url_prefix=f"/api/{name}")

    named = Schema.from_dict({"kind": fields.String()}, name=f"{name.title()}Schema")

    @blp.get("/")
    @blp.response(200, schema or named)
    def beans():
        """Beans."""
        return {"kind": "arabica"}

    api.register_blueprint(blp)


@pytest.fixture
def app():
    app = make_app()
    add_view(Api(app))
    return app


def attributes(html):
    """The `data-` attributes of the page, by name."""
    element = html.partition('<main id="swagger-ui" ')[2].partition(">")[0]
    return dict(pair.rstrip('"').split('="') for pair in element.split('" '))


@pytest.mark.parametrize("docs_path", ["/docs", "/api/v1/docs", "/a.b~c-d_e"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "/shop"])
def test_every_address_on_the_page_leads_to_what_it_names(prefix, slash, docs_path):
    """Relative to the page, whatever its path, its slash at the end and the prefix that the app is mounted below."""
    app = make_app(**{DOCS: docs_path})
    add_view(Api(app))
    client = Client(DispatcherMiddleware(Flask("other"), {prefix: app}) if prefix else app)
    page = f"{prefix}{docs_path}{slash}"
    html = client.get(page).get_data(as_text=True)
    data = attributes(html)

    def resolve(address):
        return client.get(_join(page, address))

    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon-32x32.png"):
        assert f'="{data["data-folder"]}{name}"' in html
        assert resolve(data["data-folder"] + name).status_code == 200
    assert resolve(data["data-document"]).get_json()["info"]["title"] == "Coffee"
    assert _join(page, data["data-root"]) == f"{prefix}/"


def _join(page, address):
    return urlsplit(urljoin(f"http://host{page}", address)).path


@pytest.mark.parametrize("name", NAMES)
def test_each_file_can_be_kept_by_the_client(app, name):
    """200 with a strong ETag, then 304; the compressed form has a tag of its own, and unpacks to the same bytes."""
    client = app.test_client()
    plain = client.get(f"/docs/{name}")
    assert plain.status_code == 200
    tag, weak = plain.get_etag()
    assert tag
    assert not weak
    assert plain.headers["Cache-Control"] == "no-cache"
    again = client.get(f"/docs/{name}", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    packed = client.get(f"/docs/{name}", headers={"Accept-Encoding": "br, gzip"})
    if len(plain.data) >= 1000:
        assert gzip.decompress(packed.data) == plain.data
        assert packed.get_etag()[0] != tag
        assert {plain.headers["Vary"], packed.headers["Vary"]} == {"Accept-Encoding"}
    else:
        assert packed.data == plain.data
    refused = client.get(f"/docs/{name}", headers={"Accept-Encoding": "gzip;q=0, br"})
    assert refused.data == plain.data
    head = client.head(f"/docs/{name}")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(plain.data))


def test_the_bundle_has_the_files_the_page_needs():
    """A release of flask-swagger-ui that moves a file is noticed here; and it is the Swagger UI that reads OpenAPI 3.1."""
    dist = files("flask_swagger_ui") / "dist"
    assert [name for name in BUNDLED if not (dist / name).is_file()] == []
    major = (dist / "VERSION").read_text().strip().removeprefix("v").partition(".")[0]
    assert int(major) >= 5


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs/start.js", "/docs/oauth2-redirect.html"])
def test_the_page_has_a_strict_policy(app, path):
    """Scripts and connections from this host only, nothing inline, and no frame round it."""
    response = app.test_client().get(path)
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    if not path.endswith(".js"):
        html = response.get_data(as_text=True)
        assert "<script>" not in html
        assert "http://" not in html
        assert "https://" not in html


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("</title><script>alert(1)</script>", "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("{root} & {0}", "{root} &amp; {0}"),
        ("Käse ☕", "Käse ☕"),
    ],
)
def test_the_title_is_the_apis_and_escaped(title, shown):
    """Whatever a title holds, it stays a title."""
    app = make_app(API_TITLE=title)
    Api(app)
    assert f"<title>{shown}</title>" in app.test_client().get("/docs").get_data(as_text=True)


def test_head_and_other_methods(app):
    """HEAD answers as GET does, without the body; what the page cannot do is the app's to refuse."""
    client = app.test_client()
    page, head = client.get("/docs"), client.head("/docs")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(page.data))
    assert [client.post(path).status_code for path in ("/docs", "/docs/start.js", "/openapi.json")] == [
        404
    ] * 3


@pytest.mark.parametrize(
    "path", ["/docs/x", "/docs/../docs", "/docs//", "/docs/start.js/", "/docsx", "/docs/%2e%2e/files.py"]
)
def test_nothing_else_is_below_the_page(app, path):
    """Only the listed files: no folder is laid open."""
    assert app.test_client().get(path).status_code == 404


def test_no_route_is_added_to_the_app(app):
    """Neither the app's routes nor its document show the page."""
    assert [
        rule.rule for rule in app.url_map.iter_rules() if "doc" in rule.rule or "openapi" in rule.rule
    ] == []
    document = app.test_client().get("/openapi.json").get_json()
    assert list(document["paths"]) == ["/api/beans/"]


# --- Where the document is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("served", "shown"),
    [
        (SERVED_BY_SMOREST, "./spec/api.json"),
        ({"OPENAPI_URL_PREFIX": "/", "OPENAPI_JSON_PATH": "a:b"}, "./a:b"),
    ],
)
def test_a_document_that_smorest_serves_is_used_where_it_is(served, shown):
    """The page shows the app's own address, a colon in it included, and nothing is put at `/openapi.json`."""
    app = make_app(**served)
    add_view(Api(app))
    client = app.test_client()
    assert attributes(client.get("/docs").get_data(as_text=True))["data-document"] == shown
    assert client.get("/openapi.json").status_code == 404
    assert client.get(_join("/docs", shown)).get_json()["info"]["title"] == "Coffee"


@pytest.mark.parametrize("api_first", [True, False])
def test_a_document_that_smorest_serves_at_our_path_is_not_hidden(api_first):
    """Set up before or after us, the app's own route at `/openapi.json` answers."""
    app = bare_app(OPENAPI_URL_PREFIX="/")
    if api_first:
        add_view(Api(app))
    BackendPatterns(app)
    if not api_first:
        add_view(Api(app))
    client = app.test_client()
    assert attributes(client.get("/docs").get_data(as_text=True))["data-document"] == "./openapi.json"
    response = client.get("/openapi.json")
    assert response.get_json()["info"]["title"] == "Coffee"
    assert "ETag" not in response.headers  # flask-smorest's answer, not ours


def test_a_path_of_ones_own_for_the_document():
    """An explicit path is served by us beside flask-smorest's, and is the one that the page shows."""
    app = make_app(**SERVED_BY_SMOREST, **{OPENAPI: "/v1/description.json"})
    add_view(Api(app))
    client = app.test_client()
    assert (
        attributes(client.get("/docs/").get_data(as_text=True))["data-document"] == "./../v1/description.json"
    )
    assert client.get("/v1/description.json").get_json() == client.get("/spec/api.json").get_json()
    assert client.get("/openapi.json").status_code == 404


def test_a_document_without_a_page():
    """`BACKEND_API_OPENAPI_PATH` alone gives the document, there and nowhere else."""
    app = make_app(**{DOCS: None, OPENAPI: "/v1/description.json"})
    add_view(Api(app))
    client = app.test_client()
    assert client.get("/v1/description.json").get_json()["info"]["title"] == "Coffee"
    assert [client.get(path).status_code for path in ("/docs", "/docs/start.js", "/openapi.json")] == [
        404
    ] * 3


@pytest.mark.parametrize("rule", ["/docs", "/docs/", "/<any(docs, news):page>"])
def test_a_page_of_the_apps_own_stays(rule):
    """A route that the app registers later for the same path is the one that counts, with and without the slash."""
    app = make_app()
    app.add_url_rule(rule, "own", lambda **_: "the app's own")
    client = app.test_client()
    assert client.get(rule if "<" not in rule else "/docs", follow_redirects=True).data == b"the app's own"


@pytest.mark.parametrize("rule_first", [True, False])
def test_a_route_for_everything_does_not_hide_the_page(rule_first):
    """`/<path:rest>`, as single-page apps have it, swallows what nobody else answers."""
    app = bare_app()
    if rule_first:
        app.add_url_rule("/<path:rest>", "all", lambda rest: "everything")
    BackendPatterns(app)
    Api(app)
    if not rule_first:
        app.add_url_rule("/<path:rest>", "all", lambda rest: "everything")
    assert b"swagger-ui" in app.test_client().get("/docs").data


# --- Apps that are not ready -------------------------------------------------------------------------------------


def test_without_an_api_the_page_says_what_to_do():
    """404 with the next step, and no document; once there is an Api, the page is there."""
    app = make_app()
    client = app.test_client()
    response = client.get("/docs")
    assert response.status_code == 404
    assert "flask_smorest.Api" in response.get_data(as_text=True)
    assert make_app().test_client().get("/openapi.json").status_code == 404
    Api(app)
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").get_json()["info"]["title"] == "Coffee"


def test_an_api_that_was_handed_over_counts_once_it_is_on_the_app():
    """Until its `init_app`, the page says what to do; an app that never gets it does not show another app's document."""
    api = Api()
    patterns = BackendPatterns(api=api)
    apps = [bare_app(API_TITLE=title) for title in ("First", "Second")]
    for app in apps:
        patterns.init_app(app)
    clients = [app.test_client() for app in apps]
    assert [client.get("/docs").status_code for client in clients] == [404, 404]
    api.init_app(apps[0])
    assert [client.get("/docs").status_code for client in clients] == [200, 404]
    assert [client.get("/openapi.json").status_code for client in clients] == [200, 404]


def test_with_several_apis_the_page_says_how_to_choose():
    """404 that names `BackendPatterns(api=...)`; with it, the chosen one is shown."""
    app = make_app(**SECOND_API)
    Api(app)
    Api(app, config_prefix="V2")
    response = app.test_client().get("/docs")
    assert (response.status_code, b"BackendPatterns(api=...)" in response.data) == (404, True)
    assert b"0x" not in response.data
    assert app.test_client().get("/openapi.json").status_code == 404
    chosen = bare_app(**SECOND_API)
    Api(chosen)
    BackendPatterns(chosen, api=Api(chosen, config_prefix="V2"))
    assert b"<title>Second</title>" in chosen.test_client().get("/docs").data
    assert chosen.test_client().get("/openapi.json").get_json()["info"]["title"] == "Second"


# --- The settings ------------------------------------------------------------------------------------------------


def test_off_by_default():
    """An app that sets nothing has no page, no document of ours, and no route that it did not make."""
    app = Flask(__name__)
    app.config.update(SMOREST)
    add_view(Api(app))
    before = list(map(repr, app.url_map.iter_rules()))
    BackendPatterns(app)
    assert list(map(repr, app.url_map.iter_rules())) == before
    client = app.test_client()
    paths = ["/docs", "/docs/", *(f"/docs/{name}" for name in NAMES), "/openapi.json"]
    assert [path for path in paths if client.get(path).status_code != 404] == []


def test_none_asked_for_none_given():
    """Both paths off: nothing is answered."""
    assert build_answers(Flask(__name__), lambda: None, None, None) == {}


def test_a_disabled_api_layer_has_no_page():
    """`BACKEND_API_ENABLED = False` leaves out the page and the document, whatever their paths."""
    app = make_app(BACKEND_API_ENABLED=False, **{OPENAPI: "/v1/description.json"})
    Api(app)
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/docs", "/v1/description.json")] == [404, 404]


@pytest.mark.parametrize("api_first", [True, False])
def test_the_api_may_be_made_before_or_after(api_first):
    """The page and every path of the document are there either way."""
    app = bare_app()
    if api_first:
        add_view(Api(app))
    BackendPatterns(app)
    if not api_first:
        add_view(Api(app))
    client = app.test_client()
    assert b"<title>Coffee</title>" in client.get("/docs").data
    assert list(client.get("/openapi.json").get_json()["paths"]) == ["/api/beans/"]


BAD_PATHS = [
    *("/..", "/docs/.", "/./x"),
    *("", "/", "//", "docs", "docs/", "/docs/", "//docs", "/a//b", " /docs", "/docs ", "/do cs", "/a:b"),
    *(
        "/docs?x=1",
        "/docs#x",
        "/<name>",
        "/<path:rest>",
        "/*",
        "/%64ocs",
        "/dócs",
        "/docs\\x",
        "http://a.example/docs",
    ),
    *("/docs\n", "/docs\x00", True, ["/docs"], 1.5),
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
@pytest.mark.parametrize("key", [DOCS, OPENAPI])
def test_a_bad_path_is_one_error(key, path):
    """It names the key, the value and what is expected; nothing is added to the app."""
    app = bare_app(**{key: path})
    wsgi_app = app.wsgi_app
    with pytest.raises(ConfigError) as caught:
        BackendPatterns(app)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{key} is {path!r}; expected a ")
    assert (app.wsgi_app, "backend_patterns" in app.extensions) == (wsgi_app, False)


def test_all_bad_paths_are_told_at_once():
    """Both keys in one error."""
    with pytest.raises(ConfigError) as caught:
        make_app(**{DOCS: "docs", OPENAPI: "openapi.json"})
    assert [problem.split(" is ")[0] for problem in caught.value.problems] == [DOCS, OPENAPI]


def test_page_and_document_need_two_paths():
    """The same path for both is one error that says so."""
    with pytest.raises(ConfigError) as caught:
        make_app(**{DOCS: "/docs", OPENAPI: "/docs"})
    (problem,) = caught.value.problems
    assert DOCS in problem
    assert "expected two paths" in problem


@pytest.mark.parametrize(
    "paths", [{DOCS: "/openapi.json"}, *({OPENAPI: f"/docs/{name}"} for name in NAMES)], ids=str
)
def test_the_document_is_not_hidden_by_the_page(paths):
    """A page at the document's path, or a document at the path of a file of the page, is an error that says how to move it."""
    with pytest.raises(SetupError, match=rf"move one of them with {DOCS} or {OPENAPI}"):
        make_app(**paths)


@pytest.mark.parametrize(
    ("rule", "moved"),
    [
        *(
            (rule, {DOCS: "/help"})
            for rule in ("/docs", "/docs/", "/docs/start.js", "/docs/<name>", "/<any(docs):page>")
        ),
        *((rule, {OPENAPI: "/v2"}) for rule in ("/v1.json", "/v1.json/", "/<name>.json")),
    ],
)
def test_a_path_that_the_app_has_already_is_an_error(rule, moved):
    """It names the app's route and the settings that move ours; nothing is added, and once moved both are there."""
    app = bare_app(**{OPENAPI: "/v1.json"})
    app.add_url_rule(rule, "own", lambda **_: "the app's own")
    Api(app)
    wsgi_app = app.wsgi_app
    with pytest.raises(
        SetupError, match=f"taken by the app .*own.*move ours with {DOCS} and {OPENAPI}"
    ) as caught:
        BackendPatterns(app)
    assert rule in str(caught.value)
    assert (app.wsgi_app, "backend_patterns" in app.extensions) == (wsgi_app, False)
    app.config.update(moved)
    BackendPatterns(app)
    client = app.test_client()
    for path in (app.config[DOCS], app.config[OPENAPI]):
        assert client.get(path).status_code == 200
        assert client.get(path).data != b"the app's own"


def test_a_route_for_another_method_is_no_collision():
    """A POST to the page's path stays the app's, a GET is the page."""
    app = bare_app()
    app.add_url_rule("/docs", "own", lambda: "the app's own", methods=["POST"])
    BackendPatterns(app)
    Api(app)
    client = app.test_client()
    assert client.post("/docs").data == b"the app's own"
    assert b"swagger-ui" in client.get("/docs").data


@pytest.mark.parametrize("key", [DOCS, OPENAPI])
@pytest.mark.parametrize(
    ("path", "way_out", "free"),
    [
        ("/health/live", "BACKEND_HEALTH_PREFIX", "/ops/health"),
        ("/health/ready", "BACKEND_HEALTH_PREFIX", "/ops/health"),
        ("/health/startup", "BACKEND_HEALTH_PREFIX", "/ops/health"),
        ("/metrics", "BACKEND_OBSERVABILITY_METRICS_PATH", "/ops/metrics"),
    ],
)
def test_a_path_of_another_part_of_ours_is_an_error(key, path, way_out, free):
    """It names the path and a setting that moves one of the two; with that setting, both answer."""
    app = bare_app(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics", **{key: path})
    Api(app)
    with pytest.raises(SetupError, match=f"The path {path} is taken by another part of ours; .*{way_out}"):
        BackendPatterns(app)
    app.config[way_out] = free
    BackendPatterns(app)
    client = app.test_client()
    assert client.get(path).status_code == 200
    assert client.get(free if way_out.endswith("METRICS_PATH") else f"{free}/live").status_code == 200


def test_below_a_path_of_another_part_there_is_room():
    """Only whole paths collide: the page may be at the health prefix or below it."""
    app = make_app(**{DOCS: "/health", OPENAPI: "/health/openapi.json"})
    Api(app)
    client = app.test_client()
    paths = ["/health", "/health/start.js", "/health/openapi.json", "/health/live"]
    assert [client.get(path).status_code for path in paths] == [200] * 4


# --- The document ------------------------------------------------------------------------------------------------


def test_the_document_is_built_once_and_again_for_new_views(app):
    """The same object until a blueprint is registered, which Flask allows until the first request it handles itself."""
    built = []
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    to_dict = api.spec.to_dict
    api.spec.to_dict = lambda: built.append(1) or to_dict()
    client = app.test_client()
    first = client.get("/openapi.json")
    assert client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert len(built) == 1
    add_view(api, "cups")
    second = client.get("/openapi.json")
    assert list(second.get_json()["paths"]) == ["/api/beans/", "/api/cups/"]
    assert second.headers["ETag"] != first.headers["ETag"]
    assert len(built) == 2


def test_many_threads_get_one_document(app):
    """Twenty first requests at once build it once and get the same bytes."""
    built, bodies = [], []
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    to_dict = api.spec.to_dict
    api.spec.to_dict = lambda: built.append(1) or to_dict()
    start = threading.Barrier(20)

    def ask():
        start.wait()
        bodies.append(app.test_client().get("/openapi.json").data)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(built), len(bodies), len(set(bodies))) == (1, 20, 1)


def test_each_app_has_its_own_document():
    """Two apps in one process do not see each other's."""
    apps = [make_app(API_TITLE=title) for title in ("First", "Second")]
    for app in apps:
        add_view(Api(app))
    titles = [app.test_client().get("/openapi.json").get_json()["info"]["title"] for app in apps]
    assert titles == ["First", "Second"]


class OddProvider(JSONProvider):
    """As apps have it for their own reasons; here it writes nothing a client could read."""

    def dumps(self, obj, **kwargs):
        return "odd"

    def loads(self, s, **kwargs):
        return json.loads(s)


class Roast(str, Enum):  # noqa: UP042 - the kind whose str() is not its value
    DARK = "dark"


class Odd:
    def __str__(self):
        return "odd"


class HostileSchema(Schema):
    """Values that JSON or YAML have no word for."""

    roast = fields.String(validate=validate.OneOf([Roast.DARK]), metadata={"description": Roast.DARK})
    weight = fields.Float(validate=validate.Range(min=0, max=float("inf")))
    note = fields.String(
        metadata={"description": "half a pair \ud800, ☕", "x-tags": {"b", "a", "c"}, "x-odd": Odd()}
    )


@pytest.mark.parametrize("document_format", ["json", YAML])
def test_odd_values_do_not_break_the_document(document_format):
    """Infinite bounds are left out; enums, sets, half surrogate pairs and unknown objects are written as something."""
    app = make_app()
    app.json = OddProvider(app)
    add_view(Api(app), schema=HostileSchema)
    content = export_document(app, document_format=document_format)
    text = content.decode("utf-8")
    if document_format == YAML:
        import yaml

        document = yaml.safe_load(text)
    else:
        document = json.loads(text, parse_constant=pytest.fail)
    properties = document["components"]["schemas"]["Hostile"]["properties"]
    assert properties["roast"]["enum"] == ["dark"]
    assert properties["roast"]["description"] == "dark"
    assert "maximum" not in properties["weight"]
    assert properties["weight"]["minimum"] == 0
    assert properties["note"]["x-tags"] == ["a", "b", "c"]
    assert "☕" in text


def test_the_document_is_the_same_as_smorests_own():
    """What we write says no more and no less than what flask-smorest serves."""
    app = make_app(OPENAPI_URL_PREFIX="/")
    add_view(Api(app))
    assert json.loads(export_document(app)) == app.test_client().get("/openapi.json").get_json()


def test_no_api_no_document():
    """`SetupError` says what to do."""
    with pytest.raises(SetupError, match="Api\\(app\\)"):
        export_document(make_app())
