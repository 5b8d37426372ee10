"""What is asked of both apps, and what each has to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from . import shop

CALLERS, HOT_ITEMS, PAGES = 64, 256, 20
GUEST, REFUSED = 900, 901  # users who are nobody else
MISSING = 999_999


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request."""

    path: str
    user_id: int | None = None
    role: str = "customer"
    method: str = "GET"
    body: dict[str, object] | None = None

    def head(self, token: str | None) -> dict[str, str]:
        """Its headers; it comes from a page of the allowed origin."""
        headers = {"Host": "localhost", "Origin": shop.ORIGIN, "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.body is not None:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(self.data()))
        return headers

    def data(self) -> bytes:
        """Its body."""
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Requests that are measured together; `calls` gives one by its number.

    `ratio` is the budget of its CPU time to that of the hand-wired app, `enforced` when a miss fails the run. `before`
    are calls that have to be made first, for what they leave behind.
    """

    name: str
    status: int
    calls: Callable[[int], Call]
    requests: int
    ratio: float | None = None
    enforced: bool = False
    before: int = 0
    headers: Sequence[str] = ()
    compared: Callable[[dict], object] = field(default=lambda body: body)


def _caller(number: int) -> int:
    return number % CALLERS + 1


def item(number: int, path: str = "/items") -> Call:
    """A hot item, for one of the callers."""
    return Call(path=f"{path}/{number * 7 % HOT_ITEMS + 1}", user_id=_caller(number))


def items(number: int) -> Call:
    """A page, by price or downwards."""
    sort = "price" if number % 2 else "-price"
    return Call(path=f"/items?page={number % PAGES + 1}&limit=20&sort={sort}", user_id=_caller(number))


def order(number: int) -> Call:
    """An order of something."""
    body: dict[str, object] = {"item_id": number % shop.ITEMS + 1, "quantity": number % 9 + 1}
    return Call(path="/orders", method="POST", user_id=_caller(number), body=body)


def bad_order(number: int) -> Call:
    """An order that is none."""
    body: dict[str, object] = {"item_id": "x", "quantity": 0}
    return Call(path="/orders", method="POST", user_id=_caller(number), body=body)


def _placed(body: dict) -> object:
    return sorted(body["data"]), {name: body["data"][name] for name in ("item_id", "quantity", "total")}


def _refusal(body: dict) -> object:
    error = body["error"]
    return set(body), error["code"], bool(error["message"]), bool(error["request_id"])


def _invalid(body: dict) -> object:
    details = body["error"]["details"]
    return (
        _refusal(body),
        {detail["field"] for detail in details},
        all(detail["message"] for detail in details),
    )


ALWAYS = (
    "X-Request-ID",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Content-Security-Policy",
    "Access-Control-Allow-Origin",
)
LIMITED = ("RateLimit|X-RateLimit-Remaining", "RateLimit-Policy|X-RateLimit-Limit")
CACHED, NARROW = "cached item", "429"
KINDS = (
    Kind(name="ping", status=200, calls=lambda _: Call(path="/ping"), requests=3_000),
    Kind(name=CACHED, status=200, calls=item, requests=3_000, ratio=0.30, enforced=True, headers=LIMITED),
    Kind(name="list page", status=200, calls=items, requests=800, ratio=0.45, headers=LIMITED),
    Kind(
        name="POST order",
        status=201,
        calls=order,
        requests=800,
        ratio=0.50,
        headers=(*LIMITED, "Location"),
        compared=_placed,
    ),
    Kind(
        name="401",
        status=401,
        calls=lambda number: Call(path=item(number).path),
        requests=2_000,
        ratio=0.35,
        headers=("WWW-Authenticate",),
        compared=_refusal,
    ),
    Kind(
        name="403",
        status=403,
        calls=lambda number: Call(path=item(number).path, user_id=GUEST, role="guest"),
        requests=2_000,
        ratio=0.35,
        compared=_refusal,
    ),
    Kind(
        name="404",
        status=404,
        calls=lambda number: Call(path=f"/items/{MISSING + number % 8}", user_id=_caller(number)),
        requests=1_500,
        ratio=0.35,
        headers=LIMITED,
        compared=_refusal,
    ),
    Kind(name="422", status=422, calls=bad_order, requests=1_500, headers=LIMITED, compared=_invalid),
    Kind(
        name=NARROW,
        status=429,
        calls=lambda number: Call(path=item(number, "/scarce").path, user_id=REFUSED),
        requests=2_000,
        before=6,
        headers=(*LIMITED, "Retry-After"),
        compared=_refusal,
    ),
)
