"""The shop over HTTP, in process."""

import io
import uuid

import pytest

from example_app.seeding.demo import DEMO_PASSWORD
from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .logins import LOGINS

CSV = b"sku,name,description,price,stock\nX-1,Name,,1.00,1\n"


@pytest.fixture
def client(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=10, products=45, orders=60))
    return shop_app.test_client()


def post_order(client, body, key=None):
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return client.post("/api/orders", json=body, auth=LOGINS["customer"], headers=headers)


def test_products_are_paged_as_the_contract_says(client):
    """`data` and `meta` with exactly the contract's keys, on the first and on the last page."""
    first = client.get("/api/products").get_json()
    assert first["meta"] == {
        "page": 1, "limit": 20, "total": 45, "totalPages": 3, "hasNext": True, "hasPrev": False
    }  # fmt: skip
    assert len(first["data"]) == 20
    last = client.get("/api/products?page=3").get_json()
    assert (len(last["data"]), last["meta"]["hasNext"], last["meta"]["hasPrev"]) == (5, False, True)


def test_products_are_sorted_by_the_allow_list(client):
    """`-price,name` sorts by both."""
    rows = client.get("/api/products?sort=-price,name&limit=45").get_json()["data"]
    assert rows == sorted(rows, key=lambda row: (-row["price_cents"], row["name"], row["id"]))


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=99999999999999999999", "page=9223372036854775807",
     "page=1_0", "page=\u0661", "limit=%201", "limit=+1", "limit=0", "limit=101", "limit=1.5",
     "sort=secret", "sort=price,price", "sort="],
)  # fmt: skip
def test_a_query_out_of_range_is_refused(client, query):
    """422 that names the parameter; never silently another page."""
    response = client.get(f"/api/products?{query}")
    assert response.status_code == 422
    error = response.get_json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert [detail["field"] for detail in error["details"]] == [query.partition("=")[0]]


def test_an_order_is_created_with_its_location(client):
    """201, and what `Location` names is the order."""
    body = {"lines": [{"sku": "P-00001", "quantity": 1}]}
    response = post_order(client, body)
    assert response.status_code == 201, response.text
    again = client.get(response.headers["Location"], auth=LOGINS["customer"])
    assert again.get_json() == response.get_json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "lines"),
        ({"lines": []}, "lines"),
        ({"lines": [{"sku": "P-00001", "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "P-00001", "quantity": "1"}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "P-00001", "quantity": True}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "P-00001", "quantity": 1_001}]}, "lines.0.quantity"),
        ({"lines": [{"quantity": 1}]}, "lines.0.sku"),
        ({"lines": [{"sku": "P-00001", "product_id": 1, "quantity": 1}]}, "lines.0.sku"),
        ({"lines": [{"product_id": 2**31, "quantity": 1}]}, "lines.0.product_id"),
        ({"lines": [{"sku": "P-00001", "quantity": 1}, {"sku": "zzz", "quantity": 1}]}, "lines.1.sku"),
        ({"lines": [{"sku": "a\u0000b", "quantity": 1}]}, "lines.0.sku"),
    ],
)
def test_a_bad_order_names_its_field(client, body, field):
    """422 with the dotted path."""
    response = post_order(client, body)
    assert response.status_code == 422, response.text
    assert [detail["field"] for detail in response.get_json()["error"]["details"]] == [field]


def test_too_little_stock_is_a_conflict(client):
    """409 in the one error format."""
    body = {"lines": [{"sku": "P-00001", "quantity": 999}]}
    response = post_order(client, body)
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize("role", LOGINS)
def test_orders_are_the_own_ones_or_all(client, role):
    """A customer sees their own, and not even that others exist; staff see all."""
    me = client.get("/api/me", auth=LOGINS[role]).get_json()["data"]
    orders = client.get("/api/orders?limit=100", auth=LOGINS[role]).get_json()
    foreign = [order["id"] for order in client.get("/api/orders?limit=100", auth=LOGINS["admin"]).get_json()["data"]
               if order["user_id"] != me["id"]]  # fmt: skip
    if role == "customer":
        assert {order["user_id"] for order in orders["data"]} == {me["id"]}
        assert client.get(f"/api/orders/{foreign[0]}", auth=LOGINS[role]).status_code == 404
    else:
        assert orders["meta"]["total"] == 60
        assert client.get(f"/api/orders/{foreign[0]}", auth=LOGINS[role]).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer abc",
        "Bearer",
        "Basic YWRtaW46YWRtaW4=",
        'Digest username="admin@shop.example"',
        "Bearer \u00e9",
    ],
)
def test_without_valid_credentials_there_is_a_challenge(client, header):
    """401 with `WWW-Authenticate`, for no token, one that is none, and for other schemes."""
    response = client.get("/api/me", headers={} if header is None else {"Authorization": header})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_demo_login_gets_in(client):
    """By address and password to a token, and with it to the own data; a wrong password is a 401."""
    body = {"login": "customer@shop.example", "password": DEMO_PASSWORD}
    token = client.post("/auth/login", json=body).get_json()["data"]["access_token"]
    me = client.get("/api/me", headers={"Authorization": f"Bearer {token}"}).get_json()["data"]
    assert (me["email"], me["role"]) == ("customer@shop.example", "customer")
    assert client.post("/auth/login", json=body | {"password": "other"}).status_code == 401


@pytest.mark.parametrize("role", LOGINS)
def test_only_managers_import(client, role):
    """403 for everybody else, on all three routes."""
    response = client.post("/api/product-imports", data=CSV, content_type="text/csv", auth=LOGINS[role])
    assert response.status_code == (202 if role in {"manager", "admin"} else 403)
    if response.status_code == 202:
        status = client.get(response.headers["Location"], auth=LOGINS[role]).get_json()["data"]
        assert (status["status"], status["processed_rows"]) == ("queued", 0)


def test_a_form_with_a_file_is_taken_too(client):
    """202, with the name of the file."""
    data = {"file": (io.BytesIO(CSV), "spring.csv")}
    response = client.post("/api/product-imports", data=data, auth=LOGINS["admin"])
    assert (response.status_code, response.get_json()["data"]["filename"]) == (202, "spring.csv")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": b"{}", "content_type": "application/json"}, 415),
        ({"data": {"other": "x"}, "content_type": "multipart/form-data"}, 422),
        ({"data": b"x" * (16 * 1024 * 1024 + 1), "content_type": "text/csv"}, 413),
    ],
)
def test_other_uploads_are_refused(client, options, status):
    """Wrong type, no file, too large: each its own status, in the one error format."""
    response = client.post("/api/product-imports", auth=LOGINS["admin"], **options)
    assert (response.status_code, sorted(response.get_json())) == (status, ["error"])


@pytest.mark.parametrize(
    "path", ["/api/products/999999", "/api/products/99999999999999", "/api/product-imports/77"]
)
def test_what_is_not_there_is_not_found(client, path):
    """404 in the one error format, for numbers beyond the database's too."""
    response = client.get(path, auth=LOGINS["admin"])
    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "NOT_FOUND")


def test_the_account_shows_what_is_owed(client):
    """An order lowers the customer's balance by its total."""
    before = client.get("/api/accounts/me", auth=LOGINS["customer"]).get_json()["data"]["balance_cents"]
    body = {"lines": [{"product_id": 1, "quantity": 2}]}
    total = post_order(client, body).get_json()["data"]["total_cents"]
    after = client.get("/api/accounts/me", auth=LOGINS["customer"]).get_json()["data"]["balance_cents"]
    assert after == before - total


def test_the_document_names_every_route(client):
    """OpenAPI, with schemas under names that tell them apart."""
    document = client.get("/openapi.json").get_json()
    assert {"/api/products", "/api/orders", "/api/product-imports"} <= set(document["paths"])
    assert not [name for name in document["components"]["schemas"] if name[-1].isdigit()]


def test_pages_and_api_keep_apart(client):
    """What is unknown below `/api` and `/auth` is JSON in the one format, everything else the shop's own page."""
    for path in ("/api/nope", "/auth/nope"):
        api = client.get(path)
        assert (api.status_code, api.get_json()["error"]["code"]) == (404, "NOT_FOUND")
    assert client.get("/auth/login").get_json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    page = client.get("/nope")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "front page" in page.text
