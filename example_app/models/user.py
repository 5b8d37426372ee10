"""People who may log in or who have ordered."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from example_app.clock import utc_now
from example_app.models.base import Base
from flask_backend_patterns import UserAttributes

ROLES = ("customer", "support", "manager", "admin")


class User(UserAttributes, Base):
    """A person. Without a `password_hash` there is no logging in: most seeded users are only history."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('customer', 'support', 'manager', 'admin')", name="known_role"),
    )
    auth_roles_attribute: ClassVar[str | None] = "role"  # one role each

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    role: Mapped[str] = mapped_column(String(20), default="customer")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    is_active: Mapped[bool] = mapped_column(default=True)
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
