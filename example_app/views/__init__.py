"""Routes. A view checks who is calling, calls a service or a repository, and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.schemas.account import RegistrationSchema
from example_app.views import (
    account,
    browser_account,
    browser_login,
    orders,
    pages,
    product_imports,
    products,
)
from flask_backend_patterns import login_blueprint
from flask_backend_patterns.auth.login.options import FEATURES

if TYPE_CHECKING:
    from flask import Flask
    from flask_smorest import Api


def register_views(app: Flask, api: Api) -> None:
    """Register all routes of the shop."""
    for page in (pages, browser_login, browser_account):
        app.register_blueprint(page.blp)
    for module in (products, orders, product_imports, account):
        api.register_blueprint(module.blp)
    api.register_blueprint(login_blueprint(features=FEATURES, details=RegistrationSchema))
