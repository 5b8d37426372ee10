"""The demo data as plain rows, made up by a fixed seed: the same sizes always give the same rows.

The one thing that differs between two runs is the salt in `users.password_hash`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from example_app.repositories.accounts import REVENUE_NAME, customer_account_name
from example_app.seeding.demo import DEMO_USERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example_app.seeding.demo import DemoUser

Row = dict[str, object]

_SEED = 20_250_101
_OPENING = datetime(2025, 1, 1, 8, tzinfo=UTC)
_BETWEEN_ORDERS = timedelta(minutes=11)
_UNTIL_CONFIRMED = timedelta(seconds=2)
_MAX_LINES = 5
_REVENUE_ID = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much demo data."""

    users: int = 1_000
    products: int = 10_000
    orders: int = 20_000


@dataclass(slots=True, kw_only=True)
class OrderBatch:
    """Some orders with what belongs to them, ready to be stored."""

    orders: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)


class Story:
    """Makes up the rows. Ask in the order of the methods, each once: they draw from one stream of chance."""

    def __init__(self, sizes: Sizes, *, password_hash: str) -> None:
        from faker import (
            Faker,
        )  # here: it takes a tenth of a second, and every process of the shop knows this module

        self._sizes = sizes
        self._password_hash = password_hash
        self._random = random.Random(_SEED)  # noqa: S311 - demo data, to be predictable on purpose
        self._faker = Faker("en_GB")
        self._faker.seed_instance(_SEED)
        self._prices: list[int] = []
        self._balances = dict.fromkeys(range(1, sizes.users + 2), 0)

    def users(self) -> list[Row]:
        """The demo users first, then customers who only have a history."""
        return [
            self._user(number, DEMO_USERS[number - 1] if number <= len(DEMO_USERS) else None)
            for number in range(1, self._sizes.users + 1)
        ]

    def products(self) -> list[Row]:
        """Products with SKUs `P-00001` and up."""
        return [self._product(number) for number in range(1, self._sizes.products + 1)]

    def order_batches(self, size: int) -> Iterator[OrderBatch]:
        """All orders, `size` at a time."""
        line_id = 0
        for start in range(1, self._sizes.orders + 1, size):
            batch = OrderBatch()
            for order_id in range(start, min(start + size, self._sizes.orders + 1)):
                line_id = self._add_order(batch, order_id, line_id)
            yield batch

    def accounts(self) -> list[Row]:
        """The shop's account and one for each user, with the balances that the orders have led to."""
        shop: Row = {"owner_id": None, "name": REVENUE_NAME, "kind": "revenue"}
        customers: list[Row] = [
            {"owner_id": user_id, "name": customer_account_name(user_id), "kind": "customer"}
            for user_id in range(1, self._sizes.users + 1)
        ]
        return [
            {"id": number, **row, "balance_cents": self._balances[number], "currency": "EUR"}
            for number, row in enumerate([shop, *customers], start=_REVENUE_ID)
        ]

    def opening_accounts(self) -> list[Row]:
        """`accounts()` before the first order: all empty."""
        return [{**row, "balance_cents": 0} for row in self.accounts()]

    def _user(self, number: int, demo: DemoUser | None) -> Row:
        return {
            "id": number,
            "email": demo.email if demo else f"user{number}@customers.example",
            "name": self._faker.name(),
            "role": demo.role if demo else "customer",
            "password_hash": self._password_hash if demo else None,
            "is_active": True,
            "verified_at": _OPENING if demo else None,
            "created_at": _OPENING,
        }

    def _product(self, number: int) -> Row:
        price_cents = self._random.randint(1, 400) * 50 - 1
        self._prices.append(price_cents)
        words = self._faker.words(12)
        return {
            "id": number,
            "sku": f"P-{number:05d}",
            "name": f"{words[0].capitalize()} {words[1]} {words[2]}",
            "description": f"{' '.join(words[3:]).capitalize()}.",
            "price_cents": price_cents,
            "stock": self._random.randint(0, 500),
            "version": 1,
            "created_at": _OPENING,
            "updated_at": _OPENING,
        }

    def _add_order(self, batch: OrderBatch, order_id: int, line_id: int) -> int:
        user_id = self._random.randint(1, self._sizes.users)
        created_at = _OPENING + order_id * _BETWEEN_ORDERS
        count = self._random.randint(1, min(_MAX_LINES, self._sizes.products))
        chosen = self._random.sample(range(1, self._sizes.products + 1), count)
        lines: list[Row] = []
        total = 0
        for number, product_id in enumerate(chosen, start=line_id + 1):
            quantity, price_cents = self._random.randint(1, 4), self._prices[product_id - 1]
            total += quantity * price_cents
            lines.append(
                {
                    "id": number,
                    "order_id": order_id,
                    "product_id": product_id,
                    "quantity": quantity,
                    "unit_price_cents": price_cents,
                }
            )
        batch.lines += lines
        batch.orders.append(
            {
                "id": order_id,
                "user_id": user_id,
                "status": "placed",
                "total_cents": total,
                "created_at": created_at,
                "confirmation_sent_at": created_at + _UNTIL_CONFIRMED,
            }
        )
        batch.transfers.append(self._transfer(order_id, user_id, total, created_at))
        return line_id + count

    def _transfer(self, order_id: int, user_id: int, total: int, created_at: datetime) -> Row:
        account_id = user_id + _REVENUE_ID
        self._balances[account_id] -= total
        self._balances[_REVENUE_ID] += total
        return {
            "id": order_id,
            "from_account_id": account_id,
            "to_account_id": _REVENUE_ID,
            "amount_cents": total,
            "order_id": order_id,
            "reference": f"order-{order_id}",
            "created_at": created_at,
        }
