"""Generated query strings and bodies against the shop's list and create routes, on both databases."""

import itertools
import json
import uuid

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from example_app.seeding.story import Sizes
from example_app.seeding.writing import seed

from .logins import LOGINS, bearer

# Orders are limited by customer, to fewer than are tried here: many place them by turns.
CUSTOMERS = range(5, 65)
LISTS = ["/api/products", "/api/products/feed", "/api/orders"]
GENEROUS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

EDGES = [0, 1, -1, 20, 100, 101, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "%", "_", "\\", "a,b", ",", "\0", "1_0", "\u0661", "NaN", "1e3", "0x1", " 1", "true", "P-0000"]
    ),
    st.sampled_from(EDGES).map(str),
    st.lists(st.sampled_from(EDGES).map(str), max_size=3).map(",".join),
    st.sampled_from(
        ["id", "-id", "price,-name", "id,id", "secret", "-", "2026-01-01T00:00:00Z", "9999-99-99", "asc"]
    ),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(EDGES),
    st.floats(),
    TEXTS,
    st.text(alphabet="\ud800\udfff\0a", max_size=4),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "sku": st.just("P-00001") | SCALARS,
        "product_id": st.sampled_from([1, 2, 3]) | SCALARS,
        "quantity": st.sampled_from([1, 2]) | SCALARS,
        "more": ANYTHING,
    },
)
GOOD_LINES = st.fixed_dictionaries(
    {"product_id": st.sampled_from([1, 2, 3]), "quantity": st.sampled_from([1, 2, 999])}
)
ORDERS = st.one_of(
    ANYTHING,
    st.fixed_dictionaries({"lines": st.lists(GOOD_LINES, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"lines": st.lists(LINES, max_size=3) | ANYTHING}),
)
CHANGES = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(0, 99) | ANYTHING
            for name in ("name", "description", "price_cents", "stock", "x")
        },
    ),
)


@pytest.fixture
def client(shop_app):
    with shop_app.app_context():
        seed(Sizes(users=CUSTOMERS.stop, products=30, orders=20))
    return shop_app.test_client()


@pytest.fixture
def documented(client):
    """The statuses in the document, `default` aside, by path and method."""
    paths = client.get("/openapi.json").get_json()["paths"]
    return {
        (path, method): {int(status) for status in operation["responses"] if status != "default"}
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    }


@pytest.mark.parametrize("path", LISTS)
def test_any_query_string_is_answered_as_documented(client, documented, path):
    """2xx or a documented 4xx, whatever stands in it; both happen."""
    operation = client.get("/openapi.json").get_json()["paths"][path]["get"]
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    seen = set()

    @GENEROUS
    @given(st.lists(st.tuples(st.sampled_from(names) | TEXTS, TEXTS), max_size=4))
    def throw(query):
        answer = client.get(path, query_string=query, auth=LOGINS["admin"])
        seen.add(answer.status_code)
        assert answer.status_code in documented[path, "get"], (query, answer.text)
        assert answer.get_json().keys() == ({"data", "meta"} if answer.status_code == 200 else {"error"})

    throw()
    assert {200, 422} <= seen


@pytest.mark.parametrize(
    "raw", [b"a=%ff", b"page=%", b"&&&", b"=1", b"sort=%00", b"a" * 3_000, b"name=\xff\xfe"]
)
def test_raw_query_strings(client, documented, raw):
    """Bytes that are no text, broken escapes, empty parts."""
    answer = client.get("/api/products", query_string=raw.decode("latin-1"))
    assert answer.status_code in documented["/api/products", "get"]


def test_any_order_is_answered_as_documented(client, documented):
    """2xx or a documented 4xx for every body, near-valid ones and nonsense."""
    seen, customers = set(), itertools.cycle(bearer(user_id, "customer") for user_id in CUSTOMERS)

    @GENEROUS
    @given(ORDERS)
    def throw(body):
        answer = client.post(
            "/api/orders",
            data=json.dumps(body),
            content_type="application/json",
            headers={"Idempotency-Key": uuid.uuid4().hex},
            auth=next(customers),
        )
        seen.add(answer.status_code)
        assert answer.status_code in documented["/api/orders", "post"], (body, answer.text)

    throw()
    assert {201, 409, 422} <= seen


def test_any_change_is_answered_as_documented(client, documented):
    """The same for PATCH."""
    seen = set()

    @GENEROUS
    @given(CHANGES)
    def throw(body):
        answer = client.patch(
            "/api/products/1",
            data=json.dumps(body),
            content_type="application/json",
            headers={"If-Match": "*"},
            auth=LOGINS["manager"],
        )
        seen.add(answer.status_code)
        assert answer.status_code in documented["/api/products/{product_id}", "patch"], (body, answer.text)

    throw()
    assert {200, 422} <= seen


@pytest.mark.parametrize(
    "key", ["a", '"quoted"', "", '"', "a b", "\u00e9", "x" * 255, "x" * 256, "a,b", "\\", '"\\"']
)
def test_any_idempotency_key_is_answered_as_documented(client, documented, key):
    """A key is taken or refused by name."""
    answer = client.post(
        "/api/orders",
        json={"lines": [{"product_id": 1, "quantity": 1}]},
        headers={"Idempotency-Key": key},
        auth=LOGINS["customer"],
    )
    assert answer.status_code in {201, 400} & documented["/api/orders", "post"]
