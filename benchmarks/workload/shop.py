"""What both apps share: tables and data, schemas of what goes in and out, tokens, rates, the configuration from outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from uuid import uuid4

import jwt
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields, validate
from sqlalchemy import DateTime, ForeignKey, create_engine, func, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = "benchmark-secret-of-more-than-32-bytes"
ORIGIN = "https://shop.example"
USERS, ITEMS = 1_000, 10_000
ROLES = {"customer": ["items:read", "orders:create"], "guest": []}
CACHE_SECONDS = 300
WIDE_RATE, NARROW_RATE = "1000000/minute", "5/day"
ENGINE_OPTIONS = {"pool_size": 10, "pool_pre_ping": True}
PRIME = 10_007  # above ITEMS: every price is another, so lists have one order


class Base(DeclarativeBase):
    """The tables."""


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int] = mapped_column(index=True)
    stock: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    quantity: Mapped[int]
    total: Mapped[int]
    created_at: Mapped[object] = mapped_column(DateTime(timezone=True), server_default=func.now())


db = SQLAlchemy(model_class=Base)


class ItemSchema(Schema):
    id = fields.Integer()
    name = fields.String()
    price = fields.Integer()
    stock = fields.Integer()


class NewOrderSchema(Schema):
    item_id = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=2**31 - 1))
    quantity = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=100))


class OrderSchema(Schema):
    id = fields.Integer()
    item_id = fields.Integer()
    quantity = fields.Integer()
    total = fields.Integer()
    created_at = fields.DateTime()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The servers and files of one run, handed to the apps through the environment."""

    database_url: str
    redis_url: str
    access_log: str

    @classmethod
    def from_environ(cls) -> Surroundings:
        """As `environ` wrote it."""
        return cls(**{name: os.environ[f"WORKLOAD_{name.upper()}"] for name in cls.__dataclass_fields__})

    def environ(self) -> dict[str, str]:
        """For the process of an app."""
        return {f"WORKLOAD_{name.upper()}": getattr(self, name) for name in self.__dataclass_fields__}


def fill(database_url: str) -> None:
    """Make the tables and their rows."""
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    users = [
        {"id": number, "email": f"user-{number}@shop.example", "role": "customer"}
        for number in range(1, USERS + 1)
    ]
    items = [
        {"id": number, "name": f"Item {number}", "price": number * 7_919 % PRIME, "stock": number % 50}
        for number in range(1, ITEMS + 1)
    ]
    with engine.begin() as connection:
        connection.execute(insert(User), users)
        connection.execute(insert(Item), items)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def token_for(user_id: int, role: str = "customer", *, lives_seconds: int = 3_600) -> str:
    """An access token as an identity provider of the shop's would make it."""
    now = int(time.time())
    claims = {"sub": str(user_id), "role": role, "jti": uuid4().hex, "iat": now, "exp": now + lives_seconds}
    return jwt.encode(claims, SECRET, algorithm="HS256")
