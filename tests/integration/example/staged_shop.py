"""A shop with people to play every caller, and the smallest request that each of its routes answers with success."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import insert, select

from example_app.clock import utc_now
from example_app.extensions import db
from example_app.models import Account, Order, Product, ProductImport, User
from example_app.repositories.accounts import customer_account_name
from example_app.seeding.writing import _move_sequences
from example_app.transactions import write_transaction
from flask_backend_patterns import hash_password, issue_tokens
from flask_backend_patterns.auth.state import auth_state

PASSWORD = "staged by the tests"
NEW_PASSWORD = "something else entirely"
CSV = b"sku,name,description,price,stock\nX-1,Name,,1.00,1\n"
FORM = "a-value-that-a-form-and-a-cookie-share"
NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request to a route: what stands in its path, and what the test client sends."""

    path: dict[str, object] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    cookie: str = ""


class Stage:
    """The people of one shop. Nobody plays twice: logging out everywhere ends only the own part."""

    def __init__(self, app: Flask, *, people: int) -> None:
        self.app = app
        with app.app_context():
            self._fill(people)

    def somebody(self, role: str) -> int:
        """The id of a user with this role whom nobody has played."""
        return next(self._waiting[role])

    def order_of(self, user_id: int, **values: object) -> int:
        """A small order of theirs, placed just now, unless `values` say otherwise."""
        usual = {"status": "placed", "total_cents": 1_000, "created_at": utc_now()}
        values = {"user_id": user_id, **usual, **values}
        with write_transaction() as session:
            return session.scalars(insert(Order).values(values).returning(Order.id)).one()

    def _fill(self, people: int) -> None:
        hashed, now = hash_password(PASSWORD), utc_now()
        roles = ("customer", "support", "manager", "admin")
        self._waiting = {
            role: iter(range(1 + position * people, 1 + (position + 1) * people))
            for position, role in enumerate(roles)
        }
        played_by = [role for role in roles for _ in range(people)]
        users = [
            {"id": number, "email": email_of(number), "name": f"Person {number}", "role": role}
            | {"password_hash": hashed, "is_active": True, "created_at": now}
            for number, role in enumerate(played_by, start=1)
        ]
        accounts = [
            {"owner_id": user["id"], "name": customer_account_name(user["id"]), "kind": "customer"}
            | {"balance_cents": 0, "currency": "EUR"}
            for user in users
        ]
        thing = {"sku": "A", "name": "Thing", "description": "", "price_cents": 250, "stock": 10**6}
        with write_transaction() as session:
            session.execute(insert(User), users)
            session.execute(insert(Account), accounts)
            session.execute(insert(Product).values(id=1, version=1, created_at=now, updated_at=now, **thing))
            session.add(ProductImport(filename="a.csv", path="", created_by_id=1))
            _move_sequences(session)


def email_of(user_id: int) -> str:
    """What they log in with."""
    return f"person{user_id}@shop.example"


def ask_for(stage: Stage, method: str, rule: str, *, caller_id: int, owner_id: int) -> Asked:
    """The request for this route; what it is about belongs to `owner_id`. Fails for a route nobody has staged."""
    make = REQUESTS.get((method, rule))
    assert make is not None, f"stage a request for {method} {rule} in {__file__}"
    return make(stage, caller_id, owner_id)


def _order(stage: Stage, _caller: int, owner: int) -> Asked:
    return Asked(path={"order_id": stage.order_of(owner)})


def _refund(stage: Stage, _caller: int, owner: int) -> Asked:
    return Asked(path={"order_id": stage.order_of(owner)}, options={"headers": _once()})


def _new_order(_stage: Stage, _caller: int, _owner: int) -> Asked:
    body = {"lines": [{"sku": "A", "quantity": 1}]}
    return Asked(options={"json": body, "headers": _once()})


def _orders(stage: Stage, caller: int, _owner: int) -> Asked:
    stage.order_of(caller)
    return Asked(options={"query_string": {"limit": 100}})


def _import(_stage: Stage, _caller: int, _owner: int) -> Asked:
    with db.engine.connect() as connection:
        return Asked(path={"import_id": connection.scalar(select(ProductImport.id).limit(1))})


def _change(_stage: Stage, _caller: int, _owner: int) -> Asked:
    return Asked(
        path={"product_id": 1}, options={"json": {"description": "new"}, "headers": {"If-Match": "*"}}
    )


def _end_key(_stage: Stage, _caller: int, owner: int) -> Asked:
    made = auth_state().api_keys.create(str(owner), name="to end")
    return Asked(path={"key_id": made.api_key.id})


def _end_session(_stage: Stage, _caller: int, owner: int) -> Asked:
    return Asked(path={"session_id": issue_tokens(owner, roles=[]).session_id})


def _refresh(_stage: Stage, caller: int, _owner: int) -> Asked:
    return Asked(options={"json": {"refresh_token": issue_tokens(caller, roles=[]).refresh_token}})


def _register(_stage: Stage, _caller: int, _owner: int) -> Asked:
    login = f"new{next(NUMBERS)}@shop.example"
    body = {"login": login, "password": PASSWORD, "details": {"name": "New"}}
    return Asked(options={"json": body})


def _login(_stage: Stage, caller: int, _owner: int) -> Asked:
    return Asked(options={"json": {"login": email_of(caller), "password": PASSWORD}})


def _login_by_form(_stage: Stage, caller: int, _owner: int) -> Asked:
    form = {"login": email_of(caller), "password": PASSWORD, "csrf_token": FORM}
    return Asked(options={"data": form}, cookie=f"shop_login_form={FORM}")


def _with_token(purpose: str, **more: str) -> Callable[[Stage, int, int], Asked]:
    def make(_stage: Stage, caller: int, _owner: int) -> Asked:
        issue, data = auth_state().one_time_tokens.issue, {"login": email_of(caller)}
        return Asked(
            options={"json": {"token": issue(purpose, str(caller), ttl_seconds=60, data=data), **more}}
        )

    return make


def _address(_stage: Stage, caller: int, _owner: int) -> Asked:
    return Asked(options={"json": {"login": email_of(caller)}})


def _plain(**options: Any) -> Callable[[Stage, int, int], Asked]:
    return lambda *_: Asked(options=options)


def _product(*_: object) -> Asked:
    return Asked(path={"product_id": 1})


def _style(*_: object) -> Asked:
    return Asked(path={"filename": "shop.css"})


def _once() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


_NUMBER = "<int(max=2147483647):{}>"
_ORDER, _IMPORT, _PRODUCT = (_NUMBER.format(name) for name in ("order_id", "import_id", "product_id"))
_PASSWORDS = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}

REQUESTS: dict[tuple[str, str], Callable[[Stage, int, int], Asked]] = {
    ("GET", "/api/accounts/me"): _plain(),
    ("GET", "/api/me"): _plain(),
    ("GET", "/api/orders"): _orders,
    ("POST", "/api/orders"): _new_order,
    ("GET", f"/api/orders/{_ORDER}"): _order,
    ("POST", f"/api/orders/{_ORDER}/refund"): _refund,
    ("POST", "/api/product-imports"): _plain(data=CSV, content_type="text/csv"),
    ("GET", f"/api/product-imports/{_IMPORT}"): _import,
    ("GET", f"/api/product-imports/{_IMPORT}/rejections"): _import,
    ("GET", "/api/products"): _plain(),
    ("GET", f"/api/products/{_PRODUCT}"): _product,
    ("PATCH", f"/api/products/{_PRODUCT}"): _change,
    ("GET", "/api/products/feed"): _plain(),
    ("GET", "/auth/.well-known/jwks.json"): _plain(),
    ("GET", "/auth/api-keys"): _plain(),
    ("POST", "/auth/api-keys"): _plain(json={"name": "new", "scopes": []}),
    ("DELETE", "/auth/api-keys/<string:key_id>"): _end_key,
    ("POST", "/auth/login"): _login,
    ("POST", "/auth/logout"): _plain(json={}),
    ("POST", "/auth/logout-all"): _plain(),
    ("POST", "/auth/password"): _plain(json=_PASSWORDS),
    ("POST", "/auth/refresh"): _refresh,
    ("POST", "/auth/register"): _register,
    ("POST", "/auth/reset"): _with_token("reset", password=NEW_PASSWORD),
    ("POST", "/auth/reset/request"): _address,
    ("GET", "/auth/sessions"): _plain(),
    ("DELETE", "/auth/sessions/<string:session_id>"): _end_session,
    ("POST", "/auth/verify"): _with_token("verify"),
    ("POST", "/auth/verify/resend"): _address,
    ("GET", "/login"): _plain(),
    ("POST", "/login"): _login_by_form,
    ("GET", "/account"): _plain(),
    ("POST", "/account/logout"): _plain(),
    ("POST", "/account/logout-all"): _plain(),
    ("POST", "/account/sessions/<string:session_id>/end"): _end_session,
    ("GET", "/static/<path:filename>"): _style,
    **{
        ("GET", path): _plain()
        for path in (
            "/",
            "/docs",
            "/metrics",
            "/openapi.json",
            "/health/live",
            "/health/ready",
            "/health/startup",
        )
    },
}
