"""Roles, numbers and credentials at their limits, over HTTP."""

import pytest

from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .logins import LOGINS

CSV = b"sku,name,description,price,stock\nX-1,Name,,1.00,1\n"
STATUS = {None: 401, "customer": 403, "support": 403, "manager": 200, "admin": 200}


@pytest.fixture
def client(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=6, products=5, orders=30))
    return shop_app.test_client()


def test_imports_are_shown_to_managers_only(client):
    """An import and its rejections: 401 for nobody, 403 for customers and support, also where there is none."""
    answer = client.post("/api/product-imports", data=CSV, content_type="text/csv", auth=LOGINS["admin"])
    location = answer.headers["Location"]
    for role, status in STATUS.items():
        for path in (location, f"{location}/rejections"):
            assert client.get(path, auth=LOGINS.get(role)).status_code == status, (role, path)
    assert client.get("/api/product-imports/77", auth=LOGINS["support"]).status_code == 403


@pytest.mark.parametrize("limit", ["1001", "0"])
def test_rejections_come_in_bounded_pages(client, limit):
    """At most 1,000 at a time."""
    answer = client.post("/api/product-imports", data=CSV, content_type="text/csv", auth=LOGINS["admin"])
    path = f"{answer.headers['Location']}/rejections?limit={limit}"
    assert client.get(path, auth=LOGINS["admin"]).status_code == 422


@pytest.mark.parametrize("number", ["0", str(2**31), str(10**30), "\u0661", "1_0", "-1"])
@pytest.mark.parametrize(
    "path", ["products/{}", "orders/{}", "product-imports/{}", "product-imports/{}/rejections"]
)
def test_numbers_beyond_all_rows_are_not_found(client, path, number):
    """404, whatever the database could hold; digits of other scripts are no numbers."""
    response = client.get(f"/api/{path.format(number)}", auth=LOGINS["admin"])
    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "NOT_FOUND")


def test_a_customers_orders_are_counted_and_newest_first(client):
    """`meta.total` counts what the caller may see, and the order is by time."""
    everything = client.get("/api/orders?limit=100", auth=LOGINS["admin"]).get_json()
    ids = [order["id"] for order in everything["data"]]
    assert ids == sorted(ids, reverse=True)
    own = client.get("/api/orders?limit=100", auth=LOGINS["customer"]).get_json()
    assert own["data"] == [order for order in everything["data"] if order["user_id"] == 1]
    assert own["meta"]["total"] == len(own["data"]) < everything["meta"]["total"] == 30
