"""An adapter that is remembered is the one that Flask would have made."""

from __future__ import annotations

from threading import Thread

import pytest
from flask import Flask, request, url_for
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import Map, MapAdapter
from werkzeug.test import create_environ

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._url_adapters import MAX_HOSTS, UrlAdapters, install


def make_app(**config) -> Flask:
    app = Flask("hosts")
    app.config.update(config)
    app.add_url_rule("/items/<item>", "item", lambda item: item)
    return app


def made(make, app, environ):
    """What there is to be seen of an adapter and of its request, or the refusal."""
    asked = app.request_class(dict(environ))
    try:
        adapter = make(asked)
    except HTTPException as error:
        return type(error)
    left = {name: vars(asked).get(name) for name in ("host", "trusted_hosts")}
    return type(adapter), vars(adapter), left, asked.host


ENVIRONS = [
    {},
    {"path": "/items/7", "query_string": "a=1&b=%20", "method": "POST"},
    {"path": "/items/é", "query_string": "q=é"},
    {"path": ""},
    {"path": "//items//7"},
    {"base_url": "https://shop.example/"},
    {"base_url": "https://shop.example:443/"},
    {"base_url": "http://SHOP.example:8080/mounted"},
    {"base_url": "http://[::1]:5000/"},
    {"headers": {"Host": "bücher.example".encode("idna").decode()}},
    {"headers": {"Host": "evil.example"}},
    {"headers": {"Host": "no host"}},
    {"headers": {"Host": "a" * 300}},
    {"headers": {"Host": ""}},
    {"headers": {"Connection": "Upgrade", "Upgrade": "websocket"}},
    {"environ_overrides": {"SERVER_NAME": "/run/app.sock", "SERVER_PORT": None}},
    {"environ_overrides": {"QUERY_STRING": "caf\xc3\xa9"}},
    {"environ_overrides": {"PATH_INFO": "/caf\xc3\xa9"}},
]


def environ_of(options):
    overrides = options.get("environ_overrides", {})
    return {
        **create_environ(**{key: value for key, value in options.items() if key != "environ_overrides"}),
        **overrides,
    }


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"SERVER_NAME": "shop.example"},
        {"SERVER_NAME": "shop.example:443", "TRUSTED_HOSTS": [".shop.example", "localhost"]},
        {"TRUSTED_HOSTS": ["localhost"]},
        {"TRUSTED_HOSTS": []},
    ],
)
def test_it_is_the_adapter_that_flask_makes(config):
    """For every host, path, method, query and mount point; whatever was asked before, and when asked again."""
    app = make_app(**config)
    adapters = UrlAdapters(app)
    for _ in range(3):
        for options in ENVIRONS:
            environ = environ_of(options)
            expected = made(lambda asked: Flask.create_url_adapter(app, asked), app, environ)
            assert made(adapters, app, environ) == expected


def test_it_is_remembered():
    """Or all of this is for nothing."""
    app = make_app()
    adapters, calls = UrlAdapters(app), []
    make = adapters._make
    adapters._make = lambda asked: calls.append(asked) or make(asked)
    for number in range(5):
        adapters(app.request_class(create_environ(f"/items/{number}", query_string=f"n={number}")))
    assert len(calls) == 1


def test_hosts_that_are_refused_are_refused_each_time():
    """And a host that was trusted is not, from the moment it is taken from the list."""
    app = make_app(TRUSTED_HOSTS=["localhost"])
    adapters = UrlAdapters(app)

    def ask(host):
        return adapters(app.request_class(create_environ(headers={"Host": host})))

    for _ in range(2):
        assert ask("localhost")
        with pytest.raises(SecurityError):
            ask("evil.example")
    app.config["TRUSTED_HOSTS"].remove("localhost")
    app.config["TRUSTED_HOSTS"].append("evil.example")
    with pytest.raises(SecurityError):
        ask("localhost")
    assert ask("evil.example")


def test_what_a_caller_does_to_its_adapter_is_its_own():
    """Nothing of it reaches the next request."""
    app = make_app()
    adapters = UrlAdapters(app)
    for _ in range(3):
        adapter = adapters(app.request_class(create_environ("/items/7")))
        assert (adapter.server_name, adapter.script_name) == ("localhost", "/")
        adapter.server_name, adapter.script_name = "mine", "/mine/"


def test_an_app_whose_rules_are_replaced_matches_the_new_ones():
    """An app may be given another map, or told to match hosts."""
    app = make_app()
    adapters = UrlAdapters(app)
    asked = app.request_class(create_environ("/items/7"))
    assert adapters(asked).map is app.url_map
    app.url_map = Map()
    assert adapters(app.request_class(create_environ("/items/7"))).map is app.url_map
    app.url_map.host_matching = True
    adapter = adapters(app.request_class(create_environ("/items/7")))
    expected = Flask.create_url_adapter(app, app.request_class(create_environ("/items/7")))
    assert vars(adapter) == vars(expected)


def test_hosts_that_are_made_up_fill_no_memory():
    """There is a bound, and beyond it everything works."""
    app = make_app()
    adapters = UrlAdapters(app)
    for number in range(3 * MAX_HOSTS):
        adapter = adapters(app.request_class(create_environ(headers={"Host": f"h{number}.example"})))
        assert adapter.server_name == f"h{number}.example"
        assert len(adapters._known) <= MAX_HOSTS


def test_threads_get_what_they_asked_for():
    """Each its own path and host, also while the memory is cleared."""
    app = make_app()
    adapters, wrong = UrlAdapters(app), []

    def ask(thread):
        for number in range(500):
            environ = create_environ(
                f"/{thread}/{number}", headers={"Host": f"h{(number + thread) % (2 * MAX_HOSTS)}"}
            )
            adapter = adapters(app.request_class(environ))
            if (adapter.path_info, adapter.server_name) != (environ["PATH_INFO"], environ["HTTP_HOST"]):
                wrong.append(vars(adapter))

    threads = [Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_app_with_adapters_of_its_own_keeps_them():
    """Made by its class, or put on it."""

    class Own(Flask):
        def create_url_adapter(self, asked):
            return super().create_url_adapter(asked)

    app = Own("own")
    install(app)
    assert "create_url_adapter" not in vars(app)
    app = Flask("put")
    app.create_url_adapter = put = lambda _asked: None
    install(app)
    assert app.create_url_adapter is put


def test_two_apps_in_one_process_are_two():
    """Whatever the one trusts and whatever rules it has, the other does not."""
    apps = [make_app(TRUSTED_HOSTS=["one.example"]), make_app()]
    apps[1].add_url_rule("/only", "only", lambda: url_for("only", _external=True) + request.host)
    for app in apps:
        BackendPatterns().init_app(app)
    for _ in range(2):
        seen = [
            app.test_client().get("/only", headers={"Host": host}).status_code
            for app in apps
            for host in ("one.example", "two.example")
        ]
        assert seen == [404, 400, 200, 200]
    text = apps[1].test_client().get("/only", headers={"Host": "two.example"}).text
    assert text == "http://two.example/onlytwo.example"
    assert isinstance(apps[0].create_url_adapter, UrlAdapters)
    assert type(apps[1].test_request_context("/").url_adapter) is MapAdapter
