"""The shop's API keys: made by a person, used by a program, for a part of what the person may do."""

import pytest

from .logins import bearer


@pytest.fixture
def owner(stage):
    """The id of a customer who has an order, and somebody else's order."""
    with stage.app.app_context():
        user_id, other = stage.somebody("customer"), stage.somebody("customer")
        return user_id, stage.order_of(user_id), stage.order_of(other)


def make(client, user_id, **body):
    answer = client.post(
        "/auth/api-keys", auth=bearer(user_id, "customer", fresh=True), json={"name": "report", **body}
    )
    assert answer.status_code == 201, answer.text
    return answer.get_json()["data"]


def test_a_key_reads_the_own_orders_and_no_more(stage, owner):
    """Made over HTTP with one scope: it lists and shows the own orders, and neither orders nor tells the balance."""
    client, (user_id, own, other) = stage.app.test_client(), owner
    key = {"X-API-Key": make(client, user_id, scopes=["orders:read"])["key"]}
    assert [row["id"] for row in client.get("/api/orders", headers=key).get_json()["data"]] == [own]
    assert client.get(f"/api/orders/{own}", headers=key).status_code == 200
    assert client.get(f"/api/orders/{other}", headers=key).status_code == 404
    body = {"lines": [{"sku": "A", "quantity": 1}]}
    assert client.post("/api/orders", headers=key | {"Idempotency-Key": "k"}, json=body).status_code == 403
    assert client.get("/api/accounts/me", headers=key).status_code == 403
    assert client.get("/api/me", headers=key).get_json()["data"]["id"] == user_id


def test_a_key_makes_no_keys_and_ends_no_sessions(stage, owner):
    """A stolen key cannot make itself last, not even one for everything: that wants a login of just now."""
    client, (user_id, *_) = stage.app.test_client(), owner
    made = make(client, user_id, scopes=["*"])
    key = {"X-API-Key": made["key"]}
    assert client.post("/auth/api-keys", headers=key, json={"name": "more"}).status_code == 401
    assert client.delete(f"/auth/api-keys/{made['id']}", headers=key).status_code == 403
    assert client.post("/auth/logout-all", headers=key).status_code == 403


def test_an_ended_key_is_refused_at_once(stage, owner):
    """It worked a moment ago, and stays in nobody's memory; it is out of the list."""
    client, (user_id, *_) = stage.app.test_client(), owner
    made = make(client, user_id, scopes=["orders:read"])
    key, person = {"X-API-Key": made["key"]}, {"auth": bearer(user_id, "customer")}
    assert client.get("/api/orders", headers=key).status_code == 200
    assert client.delete(f"/auth/api-keys/{made['id']}", **person).status_code == 204
    refused = client.get("/api/orders", headers=key)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "INVALID_TOKEN")
    assert client.get("/auth/api-keys", **person).get_json()["data"] == []


def test_the_document_tells_how_to_send_one(stage):
    """The scheme of API keys and that of tokens stand at what needs a login, and at nothing public."""
    document = stage.app.test_client().get("/openapi.json").get_json()
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "X-API-Key"
    secured = {name for need in document["paths"]["/api/orders"]["get"]["security"] for name in need}
    assert {"apiKey", "jwt"} <= secured
    assert document["paths"]["/api/products"]["get"]["security"] == []
