"""Queries over the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from example_app.models import Account

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from example_app.models import Transfer

REVENUE_NAME = "Shop revenue"


def customer_account_name(user_id: int) -> str:
    """The name of a customer's account; unique."""
    return f"Customer {user_id}"


class AccountRepository:
    """Accounts and transfers of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_customer(self, user_id: int) -> Account | None:
        """The account of this customer, if it has been opened."""
        statement = select(Account).where(Account.owner_id == user_id, Account.kind == "customer")
        return self._session.scalar(statement)

    def open_customer(self, user_id: int) -> int:
        """The id of the customer's account, opened if need be."""
        return self._open(name=customer_account_name(user_id), kind="customer", owner_id=user_id)

    def open_revenue(self) -> int:
        """The id of the account that the shop's sales go to, opened if need be."""
        return self._open(name=REVENUE_NAME, kind="revenue", owner_id=None)

    def add_transfer(self, transfer: Transfer) -> None:
        """Store the transfer and move its amount. Accounts are locked in the order of their ids."""
        changes = {
            transfer.from_account_id: -transfer.amount_cents,
            transfer.to_account_id: transfer.amount_cents,
        }
        for account_id, change_cents in sorted(changes.items()):
            self._session.execute(
                update(Account)
                .where(Account.id == account_id)
                .values(balance_cents=Account.balance_cents + change_cents)
                .execution_options(synchronize_session=False)
            )
        self._session.add(transfer)
        self._session.flush()

    def _open(self, *, name: str, kind: str, owner_id: int | None) -> int:
        wanted = select(Account.id).where(Account.name == name)
        found = self._session.scalar(wanted)
        if found is None:
            is_sqlite = self._session.get_bind().dialect.name == "sqlite"
            insert = sqlite.insert(Account) if is_sqlite else postgresql.insert(Account)
            values = {"name": name, "kind": kind, "owner_id": owner_id, "balance_cents": 0, "currency": "EUR"}
            self._session.execute(insert.values(values).on_conflict_do_nothing())
            found = self._session.scalars(wanted).one()
        return found
