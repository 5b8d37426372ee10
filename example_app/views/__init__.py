"""Routes. A view checks who is calling, calls a service or a repository, and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from example_app.views import account, orders, pages, product_imports, products

if TYPE_CHECKING:
    from flask import Flask
    from flask_smorest import Api


def register_views(app: Flask, api: Api) -> None:
    """Register all routes of the shop."""
    app.register_blueprint(pages.blp)
    for module in (products, orders, product_imports, account):
        api.register_blueprint(module.blp)
