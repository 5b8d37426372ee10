"""`/api/product-imports`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from flask import current_app, request, url_for

from example_app.basic_auth import current_actor, require_role
from example_app.extensions import db
from example_app.repositories.imports import ProductImportRepository
from example_app.schemas.paging import LongPageQuerySchema, one_of, page_of
from example_app.schemas.products import ProductImportSchema, RejectionSchema
from example_app.services import product_imports
from flask_backend_patterns import Blueprint, NotFoundError, UnsupportedMediaTypeError, ValidationError

if TYPE_CHECKING:
    from example_app.models import ProductImport
    from example_app.schemas.paging import PageRequest

blp = Blueprint(
    "product_imports", __name__, url_prefix="/api/product-imports", description="Products from CSV files"
)


@blp.post("")
@require_role("manager", "admin")
@blp.response(202, one_of(ProductImportSchema))
def create_import() -> tuple[dict[str, object], dict[str, str]]:
    """Take a CSV file, as the field `file` of a form or as a `text/csv` body; a job imports it."""
    content, filename = _uploaded()
    stored = product_imports.submit(
        content=content,
        filename=filename,
        user_id=current_actor().id,
        folder=Path(current_app.instance_path) / "uploads",
    )
    location = url_for("product_imports.get_import", import_id=stored.id)
    return {"data": stored}, {"Location": location}


@blp.get("/<int(max=2147483647):import_id>")
@require_role("manager", "admin")
@blp.response(200, one_of(ProductImportSchema))
def get_import(import_id: int) -> dict[str, object]:
    """How far an import is."""
    return {"data": _existing(import_id)}


@blp.get("/<int(max=2147483647):import_id>/rejections")
@require_role("manager", "admin")
@blp.arguments(LongPageQuerySchema, location="query")
@blp.response(200, page_of(RejectionSchema))
def list_rejections(query: PageRequest, import_id: int) -> dict[str, object]:
    """The rows that were not imported, each with its reason, in the order of the file."""
    _existing(import_id)
    imports = ProductImportRepository(db.session())
    page = imports.rejections(import_id, offset=query.offset, limit=query.limit)
    return {"data": page, "meta": query.meta(imports.count_rejections(import_id))}


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
    if file is None:
        missing = {"field": "file", "message": "Missing data for required field."}
        raise ValidationError("Invalid input data", details=[missing])
    return file.stream, file.filename or "upload.csv"
