"""The job behind `enqueue_import`."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import current_app

from example_app.services import product_imports

_log = logging.getLogger(__name__)


def run_import(import_id: int) -> str:
    """Work off an import; returns its status, or `taken over` when another worker is at it."""
    folder, batch_rows = (
        Path(current_app.instance_path) / "uploads",
        current_app.config["SHOP_IMPORT_BATCH_ROWS"],
    )
    try:
        return product_imports.run(import_id, folder=folder, batch_rows=batch_rows)
    except product_imports.TakenOverError:
        _log.warning("import.taken_over", extra={"import_id": import_id})
        return "taken over"
