"""`/api/product-imports`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flask import current_app, request, url_for

from example_app import limits
from example_app.extensions import db
from example_app.repositories.imports import ProductImportRepository
from example_app.schemas.products import ProductImportSchema, RejectionSchema
from example_app.services import product_imports
from example_app.views.caller import caller_id
from flask_backend_patterns import (
    Blueprint,
    NotFoundError,
    Page,
    UnsupportedMediaTypeError,
    ValidationError,
    can,
    current_actor,
    rate_limit,
    require_permission,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from example_app.models import ProductImport, ProductImportRejection
    from flask_backend_patterns import PageRequest

blp = Blueprint(
    "product_imports", __name__, url_prefix="/api/product-imports", description="Products from CSV files"
)


_CSV = {"contentMediaType": "text/csv"}
UPLOAD = {
    "required": True,
    "content": {
        "text/csv": {"schema": _CSV},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", **_CSV}},
            }
        },
    },
}


def location_of(stored: ProductImport) -> str:
    """Where the import's progress can be read."""
    return url_for("product_imports.get_import", import_id=stored.id)


def may_import() -> bool:
    """Whether the caller's requests count: who is refused anyway must not use up what all share."""
    return can(current_actor, "imports:create")


@blp.post("")
@require_permission("imports:create")
@rate_limit(
    limits.IMPORTS,
    name="imports",
    key=limits.whole_shop,
    when=may_import,
    tiers=limits.UNLIMITED_ADMINS,
)
@blp.doc(requestBody=UPLOAD)
@blp.response(202, ProductImportSchema, location=location_of)
@blp.alt_response(413, description="The file is too large.")
@blp.alt_response(415, description="Neither text/csv nor a form.")
@blp.alt_response(422, description="The form has no file.")
def create_import() -> ProductImport:
    """Take a CSV file, as the field `file` of a form or as a `text/csv` body; a job imports it."""
    content, filename = _uploaded()
    return product_imports.submit(
        content=content,
        filename=filename,
        user_id=caller_id(),
        folder=Path(current_app.instance_path) / "uploads",
    )


@blp.get("/<int(max=2147483647):import_id>")
@require_permission("imports:read")
@blp.response(200, ProductImportSchema)
def get_import(import_id: int) -> ProductImport:
    """How far an import is."""
    return _existing(import_id)


@blp.get("/<int(max=2147483647):import_id>/rejections")
@require_permission("imports:read")
@blp.response(200, RejectionSchema)
@blp.paginate(Page(limit=100, max_limit=1_000))
def list_rejections(import_id: int) -> Callable[[PageRequest], tuple[Sequence[ProductImportRejection], int]]:
    """The rows that were not imported, each with its reason, in the order of the file."""
    _existing(import_id)
    imports = ProductImportRepository(db.session())

    def fetch(page: PageRequest) -> tuple[Sequence[ProductImportRejection], int]:
        rejections = imports.rejections(import_id, offset=page.offset, limit=page.limit)
        return rejections, imports.count_rejections(import_id)

    return fetch


def _existing(import_id: int) -> ProductImport:
    found = ProductImportRepository(db.session()).get(import_id)
    if found is None:
        raise NotFoundError("No such import.")
    return found


def _uploaded() -> tuple[IO[bytes], str]:
    if request.mimetype == "text/csv":
        return request.stream, "upload.csv"
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaTypeError("Send text/csv, or multipart/form-data with a file.")
    file = request.files.get("file")
    if file is None and "file" in request.form:  # a part without a file name
        return io.BytesIO(request.form["file"].encode()), "upload.csv"
    if file is None:
        missing = {"field": "file", "message": "Missing data for required field."}
        raise ValidationError("Invalid input data", details=[missing])
    return file.stream, file.filename or "upload.csv"
