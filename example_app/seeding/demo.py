"""The logins of the demo, one for each role. For a machine of your own only: the password is public."""

from __future__ import annotations

from dataclasses import dataclass

DEMO_PASSWORD = "shop-demo"  # noqa: S105 - printed by `make run` and shown on the home page


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody who can log in."""

    role: str
    may: str

    @property
    def email(self) -> str:
        """The address to log in with."""
        return f"{self.role}@shop.example"


DEMO_USERS = (
    DemoUser("customer", "order, and see the own orders and account"),
    DemoUser("support", "see all orders, and refund them up to 500 euros"),
    DemoUser("manager", "see all orders, change and import products"),
    DemoUser("admin", "do everything"),
)
