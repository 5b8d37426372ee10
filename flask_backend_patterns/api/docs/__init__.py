"""The page at `BACKEND_API_DOCS_PATH`: Swagger UI from files of the app itself, and the document it shows."""

from .answers import build_answers

__all__ = ["build_answers"]
