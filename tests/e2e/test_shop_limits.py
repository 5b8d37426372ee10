"""The shop as real processes, with the limits it has in production: floods, and what the worker changes under the cache."""

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from example_app import limits

POLL_SECONDS = 1.0  # within the rate of managers


@pytest.fixture(scope="module")
def shop(start_shop, tmp_path_factory):
    """As `make run` starts it."""
    shop = start_shop(tmp_path_factory.mktemp("shop"), SHOP_DEFAULT_RATE=limits.DEFAULT)
    shop.wait_until_open()
    return shop


def test_a_flood_of_orders_is_refused(shop):
    """Twelve at once by one customer over as many connections: some are placed, each other one is a 429 with its headers."""
    body = {"lines": [{"sku": "P-00001", "quantity": 1}]}
    with shop.client("customer") as client, ThreadPoolExecutor(12) as threads:

        def order(_number):
            return client.post("/api/orders", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})

        before = client.get("/api/products/1").json()["data"]["stock"]
        answers = list(threads.map(order, range(12)))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses.keys() == {201, 429}, statuses
        assert 5 <= statuses[201] < 10  # five, and what comes free while a slow machine is at it
        for answer in answers:
            assert '"orders-10s";q=5;w=10' in answer.headers["RateLimit-Policy"]
            assert ("Retry-After" in answer.headers) == (answer.status_code == 429)
        assert client.get("/api/products/1").json()["data"]["stock"] == before - statuses[201]
        policy = client.get("/api/me").headers["RateLimit-Policy"]
        assert policy == '"default";q=120;w=60'


def test_what_the_worker_imports_is_seen_by_the_web(shop, eventually):
    """A price from a file, committed by the worker's process: the web's, which has the old one near, gives it in a moment."""
    with shop.client("manager") as client:
        path = "/api/products?limit=1&sku=P-00002"
        (product,) = client.get(path).json()["data"]
        address = f"/api/products/{product['id']}"
        for _ in range(5):
            old = client.get(address)
        price = old.json()["data"]["price_cents"] + 1
        row = f"sku,name,description,price,stock\nP-00002,New,,{price // 100}.{price % 100:02d},7\n"
        sent = client.post("/api/product-imports", content=row.encode(), headers={"Content-Type": "text/csv"})
        assert sent.status_code == 202

        def finished():
            time.sleep(POLL_SECONDS)
            return client.get(sent.headers["Location"]).json()["data"]["status"] == "finished"

        eventually(finished, what="the import")
        new = client.get(address, headers={"If-None-Match": old.headers["ETag"]})
        assert (new.status_code, new.json()["data"]["price_cents"]) == (200, price)
        assert client.get(path).json()["data"][0]["price_cents"] == price
