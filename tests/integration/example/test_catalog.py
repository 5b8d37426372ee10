"""Products over HTTP: both kinds of pages, filters, versions."""

import threading

import pytest

from example_app.extensions import db
from example_app.models import Product
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .logins import LOGINS

MANAGER = LOGINS["manager"]


@pytest.fixture
def client(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=5, products=45, orders=5))
    return shop_app.test_client()


def test_the_feed_has_every_product_once(client):
    """Following `next` from the start, in any sort."""
    for sort in ("id", "-updated,name", "price,-stock"):
        url, seen = f"/api/products/feed?limit=7&sort={sort}", []
        while url:
            answer = client.get(url)
            seen += [row["id"] for row in answer.get_json()["data"]]
            links = dict(part[1:].split('>; rel="') for part in answer.headers["Link"].split(", "))
            url = next((link for link, relation in links.items() if relation == 'next"'), None)
        assert sorted(seen) == list(range(1, 46))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("price_gte=500&price_lt=2000", lambda row: 500 <= row["price_cents"] < 2_000),
        ("id_in=3,5,99", lambda row: row["id"] in {3, 5}),
        ("sku_startswith=P-0000", lambda row: row["sku"].startswith("P-0000")),
        ("name_contains=a", lambda row: "a" in row["name"].lower()),
        ("stock_gt=5&price_lte=100000", lambda row: row["stock"] > 5),
        ("updated_gte=2000-01-01T00:00:00Z", lambda row: True),
        ("name_contains=%25", lambda row: False),
    ],
)
def test_products_are_filtered(client, query, expected):
    """The same rows as picking them by hand, in pages and in the feed."""
    rows = client.get("/api/products?limit=100").get_json()["data"]
    wanted = [row["id"] for row in rows if expected(row)]
    for path in ("/api/products", "/api/products/feed"):
        found = client.get(f"{path}?{query}&limit=100&sort=id").get_json()["data"]
        assert [row["id"] for row in found] == wanted


@pytest.mark.parametrize(
    "query", ["price=x", "price_like=3", "secret=1", "price_between=1", "price_gte=99999999999"]
)
def test_other_filters_are_refused(client, query):
    """422 that names the parameter."""
    answer = client.get(f"/api/products?{query}")
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.get_json()["error"]["details"]] == [query.partition("=")[0]]


def test_a_product_is_changed_only_as_it_was_read(client):
    """428 without a version, 412 with an old one, and the change has a new one."""
    read = client.get("/api/products/1")
    tag, change = read.headers["ETag"], {"price_cents": 777}
    assert client.get("/api/products/1", headers={"If-None-Match": tag}).status_code == 304
    assert client.patch("/api/products/1", json=change, auth=MANAGER).status_code == 428
    changed = client.patch("/api/products/1", json=change, auth=MANAGER, headers={"If-Match": tag})
    assert (changed.status_code, changed.get_json()["data"]["price_cents"]) == (200, 777)
    assert changed.get_json()["data"]["version"] == read.get_json()["data"]["version"] + 1
    again = client.patch("/api/products/1", json=change, auth=MANAGER, headers={"If-Match": tag})
    assert (again.status_code, again.get_json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    fresh = client.patch(
        "/api/products/1", json=change, auth=MANAGER, headers={"If-Match": changed.headers["ETag"]}
    )
    assert fresh.status_code == 200


def test_of_many_changes_from_one_version_one_is_made(client, shop_app):
    """16 threads that all read version 1: one 200, the others 412."""
    tag, statuses, start = client.get("/api/products/1").headers["ETag"], [], threading.Barrier(16)

    def change(number):
        mine = shop_app.test_client()
        start.wait()
        answer = mine.patch(
            "/api/products/1", json={"stock": number}, auth=MANAGER, headers={"If-Match": tag}
        )
        statuses.append(answer.status_code)

    client.get("/api/me", auth=MANAGER)  # so that not every thread hashes the password
    threads = [threading.Thread(target=change, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 15
    with shop_app.app_context():
        assert db.session.get(Product, 1).version == int(tag.strip('"')) + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, None), ({"price_cents": -1}, "price_cents"), ({"sku": "x"}, "sku"), ({"stock": 2**31}, "stock"),
     ({"name": ""}, "name"), ({"name": None}, "name")],
)  # fmt: skip
def test_a_wrong_change_names_its_field(client, body, field):
    """422, and nothing has changed."""
    tag = client.get("/api/products/1").headers["ETag"]
    answer = client.patch("/api/products/1", json=body, auth=MANAGER, headers={"If-Match": tag})
    assert answer.status_code == 422, answer.text
    assert [detail.get("field") for detail in answer.get_json()["error"]["details"]] == [field]
    assert client.get("/api/products/1").headers["ETag"] == tag


def test_only_managers_change_products(client):
    """401 and 403 come before the version is looked at."""
    assert client.patch("/api/products/1", json={}).status_code == 401
    assert client.patch("/api/products/1", json={}, auth=LOGINS["customer"]).status_code == 403
    missing = client.patch("/api/products/999", json={"stock": 1}, auth=MANAGER, headers={"If-Match": "*"})
    assert missing.status_code == 404
