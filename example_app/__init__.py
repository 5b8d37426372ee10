"""A shop with a ledger: what a team would write with flask-backend-patterns.

`create_app` is the whole public surface; `README.md` beside this file is the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

__all__ = ["create_app"]


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """Build the shop; `config` overrides what the environment says."""
    # Here, not above: the supervisor lives in this package too and starts without loading Flask.
    from example_app.factory import build_app

    return build_app(config)
