"""The shop's limits and its cache: what callers see of them, what they cost, and that nothing is decided by a cached value."""

import io
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from example_app import create_app
from example_app.extensions import db
from example_app.models import Product
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed
from example_app.services import product_imports
from example_app.services.catalog import change_product, find_product
from flask_backend_patterns import invalidate
from tests.redis_commands import commands_of

from .logins import LOGINS, SECRET, bearer

PATIENT = {"BACKEND_REDIS_TIMEOUT_SECONDS": 5.0}  # a busy machine is no outage
ADDRESS, SCANNER = "198.51.100.7", "203.0.113.7"
MOMENT_SECONDS = 60  # an upper limit; the feed's own bound is 50 ms


@pytest.fixture
def shop_settings():
    """The limits as they are in production."""
    return {}


@pytest.fixture
def client(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=9, products=30, orders=5))
    return shop_app.test_client()


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is sent meanwhile."""
    sent: list[str] = []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def soon(probe, wanted):
    """Ask until the answer is the wanted one; gives the last answer."""
    deadline = time.monotonic() + MOMENT_SECONDS
    while (answer := probe()) != wanted and time.monotonic() < deadline:
        time.sleep(0.005)
    return answer


def shown(client, product_id=1):
    return client.get(f"/api/products/{product_id}").get_json()["data"]


def listed(client, product_id=1):
    rows = client.get("/api/products?limit=100&sort=id").get_json()["data"]
    return next(row for row in rows if row["id"] == product_id)


def order(client, auth, **line):
    body = {"lines": [{"product_id": 1, "quantity": 1, **line}]}
    return client.post("/api/orders", json=body, auth=auth, headers={"Idempotency-Key": uuid.uuid4().hex})


# --- what is cached ---


def test_a_product_in_steady_state_is_one_trip_and_no_select(client, shop_app, redis_url):
    """With a token: the limit asks Redis once, the product comes from the process; the same for the 304."""
    tag = client.get("/api/products/1").headers["ETag"]
    statuses = []

    def ask(**headers):
        answer = client.get("/api/products/1", headers=headers, auth=LOGINS["customer"])
        statuses.append(answer.status_code)

    assert soon(lambda: commands_of(redis_url, ask), ["EVALSHA"]) == ["EVALSHA"]
    with shop_app.app_context(), statements() as sent:
        assert commands_of(redis_url, ask) == ["EVALSHA"]
        assert commands_of(redis_url, lambda: ask(**{"If-None-Match": tag})) == ["EVALSHA"]
        assert commands_of(redis_url, lambda: client.get("/api/products")) != []  # it is looked at
    assert statuses[-2:] == [200, 304]
    assert [statement for statement in sent if "products.id = " in statement] == []


def changed_by_view(client, _app):
    tag = client.get("/api/products/1").headers["ETag"]
    answer = client.patch(
        "/api/products/1", json={"price_cents": 4_321}, auth=LOGINS["manager"], headers={"If-Match": tag}
    )
    assert answer.status_code == 200


def changed_by_service(_client, app):
    with app.app_context():
        change_product(1, {"price_cents": 4_321}, version=db.session.get(Product, 1).version)


def changed_by_import(client, app):
    row = f"sku,name,description,price,stock\n{shown(client)['sku']},Thing,,43.21,7\nNEW-1,New,,1.00,1\n"
    with app.app_context():
        folder = app.config["SHOP_INSTANCE"] / "uploads"
        stored = product_imports.submit(
            content=io.BytesIO(row.encode()), filename="a.csv", user_id=1, folder=folder
        )
        assert product_imports.run(stored.id, folder=folder, batch_rows=10) == "finished"


@pytest.mark.parametrize("change", [changed_by_view, changed_by_service, changed_by_import])
def test_a_changed_price_is_seen_at_once(client, shop_app, redis_url, change):
    """By who asks after the commit, alone and in the list, also with the old ETag; by another web process in a moment."""
    config = {name: shop_app.config[name] for name in ("SHOP_INSTANCE", "SQLALCHEMY_DATABASE_URI")}
    other_app = create_app(
        {**config, "BACKEND_REDIS_URL": redis_url, "JWT_SECRET_KEY": SECRET, "TESTING": True, **PATIENT}
    )
    other = other_app.test_client()
    for one in (client, other):
        assert shown(one)["price_cents"] == listed(one)["price_cents"] != 4_321
        assert one.get("/api/products/31").status_code == 404
    tag = client.get("/api/products/1").headers["ETag"]
    change(client, shop_app)
    assert shown(client)["price_cents"] == listed(client)["price_cents"] == 4_321
    again = client.get("/api/products/1", headers={"If-None-Match": tag})
    assert (again.status_code, again.headers["ETag"] != tag) == (200, True)
    assert soon(lambda: (shown(other)["price_cents"], listed(other)["price_cents"]), (4_321, 4_321)) == (
        4_321,
        4_321,
    )
    is_new = change is changed_by_import
    for one in (client, other):
        assert one.get("/api/products/31").status_code == (200 if is_new else 404)
    with other_app.app_context():
        db.engine.dispose()
    other_app.extensions["example_app.queue"].connection.close()


def test_what_a_request_has_read_before_is_not_cached(client, shop_app):
    """A transaction that began before another process' commit, and its objects, are older than that: for this request only."""
    assert shown(client)["price_cents"] != 4_321
    with shop_app.app_context():
        product = db.session.get(Product, 1)
        assert product.price_cents != 4_321
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE products SET price_cents = 4321 WHERE id = 1"))
        invalidate(tags=["product:1"])
        assert find_product(1).price_cents == product.price_cents
    assert shown(client)["price_cents"] == 4_321


def test_a_sale_is_seen_on_the_product_and_leaves_the_pages(client):
    """The product has one piece less and a new version; the list is not made anew for each order."""
    before, _ = shown(client), listed(client)
    assert order(client, LOGINS["customer"]).status_code == 201
    after = shown(client)
    assert (after["stock"], after["version"]) == (before["stock"] - 1, before["version"] + 1)
    page = client.get("/api/products?limit=100&sort=id")
    assert "hit" in page.headers["Cache-Status"]


def test_an_order_that_fails_is_no_change(client):
    """409 for the second line: the first one's product stays cached as it was."""
    tag = client.get("/api/products/1").headers["ETag"]
    body = {"lines": [{"product_id": 1, "quantity": 1}, {"product_id": 2, "quantity": 1_000}]}
    headers = {"Idempotency-Key": "k"}
    answer = client.post("/api/orders", json=body, auth=LOGINS["customer"], headers=headers)
    assert (answer.status_code, client.get("/api/products/1").headers["ETag"]) == (409, tag)


def test_what_is_sold_is_decided_by_the_row(client, shop_app):
    """A change that no cache has heard of: pieces and prices are those of the table, whatever is shown."""
    was = shown(client)
    with shop_app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE products SET stock = 1, price_cents = 99 WHERE id = 1"))
    assert shown(client) == was
    assert order(client, LOGINS["customer"], quantity=2).status_code == 409
    sold = order(client, LOGINS["customer"])
    assert (sold.status_code, sold.get_json()["data"]["total_cents"]) == (201, 99)
    assert (shown(client)["stock"], shown(client)["price_cents"]) == (0, 99)


def test_the_catalogue_says_how_long_others_may_keep_it(client):
    """A CDN keeps pages for seconds, and asks before each use of a product; nobody keeps an error."""
    page, product = client.get("/api/products"), client.get("/api/products/1")
    assert page.headers["Cache-Control"] == "public, max-age=0, s-maxage=10, stale-while-revalidate=20"
    assert product.headers["Cache-Control"] == "public, no-cache"
    assert "Cache-Control" not in client.get("/api/products/999").headers
    unchanged = client.get("/api/products", headers={"If-None-Match": page.headers["ETag"]})
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (
        304,
        page.headers["Cache-Control"],
    )


def test_an_order_is_read_once_for_its_owner_and_for_the_view(client, shop_app):
    """Both ask for the same order."""
    placed = order(client, LOGINS["customer"]).headers["Location"]
    with shop_app.app_context():
        engine = db.engine
    sent = []
    event.listen(engine, "before_cursor_execute", lambda *about: sent.append(about[2]))
    assert client.get(placed, auth=LOGINS["customer"]).status_code == 200
    assert len([statement for statement in sent if "FROM orders" in statement]) == 1


# --- limits ---


def test_a_flood_of_orders_is_refused(client, shop_app):
    """Five at once, then 429 that says when to come back; nothing is placed; others and admins are not concerned."""
    with shop_app.app_context():
        stock = db.session.get(Product, 1).stock
    answers = [order(client, LOGINS["customer"]) for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    placed = statuses.count(201)
    assert (statuses[:5], set(statuses[5:]) <= {201, 429}) == ([201] * 5, True)
    first, refused = answers[0], answers[statuses.index(429)]
    assert refused.get_json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert '"orders-10s";q=5;w=10' in first.headers["RateLimit-Policy"]
    assert '"orders-hour";r=59' in first.headers["RateLimit"]
    assert shown(client)["stock"] == stock - placed
    assert order(client, bearer(5, "customer")).status_code == 201
    assert {order(client, LOGINS["admin"]).status_code for _ in range(7)} <= {201, 409}


def test_imports_share_one_bucket(client):
    """Twelve in an hour, of whoever may import; admins go on, and who may not cannot use it up."""

    def send(auth):
        options = {"data": "sku,name,description,price,stock\n", "content_type": "text/csv", "auth": auth}
        return client.post("/api/product-imports", **options).status_code

    assert {send(LOGINS["customer"]) for _ in range(13)} == {403}
    managers = [bearer(user_id, "manager") for user_id in (3, 5)]
    assert [send(managers[number % 2]) for number in range(13)] == [202] * 12 + [429]
    assert send(managers[1]) == 429
    assert send(LOGINS["admin"]) == 202


def test_the_catalogue_is_limited_by_address_and_all_else_by_default(client):
    """All its routes count together, for nobody and for who is logged in; other routes by the caller, staff more."""
    here = {"environ_base": {"REMOTE_ADDR": ADDRESS}}
    for number, path in enumerate(("/api/products", "/api/products/1", "/api/products/feed"), start=1):
        answer = client.get(path, auth=LOGINS["customer"] if number == 2 else None, **here)
        assert (
            '"catalogue-second";q=20;w=1, "catalogue-minute";q=600;w=60' in answer.headers["RateLimit-Policy"]
        )
        assert f'"catalogue-minute";r={600 - number};' in answer.headers["RateLimit"]
    quotas = {
        role: client.get("/api/me", auth=LOGINS[role], **here).headers.get("RateLimit-Policy")
        for role in LOGINS
    }
    staff = '"default";q=600;w=60'
    assert quotas == {
        "customer": '"default";q=120;w=60', "support": staff, "manager": staff, "admin": None
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/wp-login.php", "/.env", "/.git/config"])
def test_a_scanner_is_banned(client, path):
    """Its next request is a 403, also behind a made-up proxy; nobody else notices."""
    there = {"environ_base": {"REMOTE_ADDR": SCANNER}}
    assert client.get("/api/products/1", **there).status_code == 200
    assert client.get(path, headers={"X-Forwarded-For": ADDRESS}, **there).status_code == 404
    banned = client.get("/api/products/1", **there)
    assert (banned.status_code, banned.get_json()["error"]["code"]) == (403, "BANNED")
    assert client.get("/api/products/1").status_code == 200
