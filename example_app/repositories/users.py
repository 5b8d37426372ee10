"""Queries over users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from example_app.models import User

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class UserRepository:
    """Users of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, user_id: int) -> User | None:
        """The user with this id."""
        return self._session.get(User, user_id)

    def count(self) -> int:
        """How many users there are."""
        return self._session.scalar(select(func.count()).select_from(User)) or 0
