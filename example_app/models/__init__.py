"""The tables of the shop."""

from example_app.models.base import Base
from example_app.models.catalog import Product
from example_app.models.imports import ProductImport, ProductImportRejection
from example_app.models.ledger import Account, Transfer
from example_app.models.ordering import Order, OrderLine
from example_app.models.user import ROLES, User
from flask_backend_patterns import auth_tables
from flask_backend_patterns.api import idempotency_table

idempotency_table(Base.metadata)
auth_tables(Base.metadata)

__all__ = [
    "ROLES",
    "Account",
    "Base",
    "Order",
    "OrderLine",
    "Product",
    "ProductImport",
    "ProductImportRejection",
    "Transfer",
    "User",
]
