"""Imports of products: taking the file, working it off in batches, going on after an interruption."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from sqlalchemy import update

from example_app.clock import utc_now
from example_app.extensions import db
from example_app.jobs.queue import enqueue_import
from example_app.models import ProductImport
from example_app.repositories.imports import UNFINISHED, ProductImportRepository
from example_app.repositories.products import ProductRepository
from example_app.services.product_csv import (
    HeaderError,
    ProductRow,
    RejectedRow,
    count_rows,
    read_products,
)
from example_app.transactions import write_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

_CHUNK_BYTES = 64 * 1024
MAX_ATTEMPTS = 3

Outcome = ProductRow | RejectedRow


class TakenOverError(RuntimeError):
    """Another worker is working on the same import; this one has changed nothing and must stop."""


def submit(*, content: IO[bytes], filename: str, user_id: int, folder: Path) -> ProductImport:
    """Store the file under a name of our own and queue its import.

    The import is committed before it is queued; with the queue down it waits for `flask shop resume-imports` or for
    the worker's next look for work left undone.
    """
    path = folder / f"{uuid.uuid4().hex}.csv"
    try:
        with path.open("xb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                file.write(chunk)
        with write_transaction() as session:
            stored = ProductImportRepository(session).add(
                ProductImport(filename=filename[:255], path=path.name, created_by_id=user_id)
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    enqueue_import(stored.id)
    return stored


def run(import_id: int, *, folder: Path, batch_rows: int) -> str:
    """Work off the import from where it stands; returns its status.

    Each batch is one transaction that stores its rows, its rejections and the progress together, so a worker killed
    at any moment loses and doubles nothing. Begun `MAX_ATTEMPTS` times without progress, it is failed. Raises `TakenOverError` when another worker advances the same import.
    """
    stored = ProductImportRepository(db.session()).get(import_id)
    if stored is None or stored.status not in UNFINISHED:
        return "unknown" if stored is None else stored.status
    path, done, attempts = folder / stored.path, stored.processed_rows, stored.attempts
    db.session.rollback()
    if attempts >= MAX_ATTEMPTS:
        return _give_up(import_id, path, f"Broken off {attempts} times at row {done + 1} or soon after.")
    # Counted before anything is read: a file that kills its reader must come to an end too.
    _set(import_id, status="running", attempts=attempts + 1, started_at=utc_now())
    try:
        _set(import_id, total_rows=count_rows(path))
    except HeaderError as error:
        return _give_up(import_id, path, str(error))
    except FileNotFoundError:
        return _give_up(import_id, path, "The uploaded file is gone.")
    for batch in _batches(path, skip=done, size=batch_rows):
        _store(import_id, batch, expected=done)
        done += len(batch)
    _set(import_id, status="finished", finished_at=utc_now())
    path.unlink(missing_ok=True)
    return "finished"


def fail(import_id: int, reason: str) -> str:
    """End the import with a reason for the person who sent the file."""
    _set(import_id, status="failed", failure_reason=reason, finished_at=utc_now())
    return "failed"


def resume_unfinished(
    *, but_for: Callable[[], Collection[int]] = tuple, enqueue: Callable[[int], bool] = enqueue_import
) -> int:
    """Queue every import that has not come to an end; returns how many. One queued twice is worked off once.

    `but_for` gives those to leave alone; it is asked only if there are any unfinished ones.
    """
    import_ids = ProductImportRepository(db.session()).unfinished_ids()
    db.session.rollback()
    left_alone = but_for() if import_ids else ()
    return sum(enqueue(import_id) for import_id in import_ids if import_id not in left_alone)


def _give_up(import_id: int, path: Path, reason: str) -> str:
    status = fail(import_id, reason)
    path.unlink(missing_ok=True)
    return status


def _batches(path: Path, *, skip: int, size: int) -> Iterator[Sequence[tuple[int, Outcome]]]:
    rows = itertools.islice(read_products(path), skip, None)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def _store(import_id: int, batch: Sequence[tuple[int, Outcome]], *, expected: int) -> None:
    good = [asdict(outcome) for _, outcome in batch if isinstance(outcome, ProductRow)]
    bad = [(number, outcome.reason) for number, outcome in batch if isinstance(outcome, RejectedRow)]
    with write_transaction() as session:
        imports = ProductImportRepository(session)
        created = ProductRepository(session).upsert(good)
        counts = {"created": created, "updated": len(good) - created, "rejected": len(bad)}
        if not imports.advance(import_id, expected=expected, **counts):
            raise TakenOverError(f"Import {import_id} is not at row {expected} any more.")
        imports.reject(import_id, bad)


def _set(import_id: int, **values: object) -> None:
    with write_transaction() as session:
        session.execute(
            update(ProductImport)
            .where(ProductImport.id == import_id, ProductImport.status.in_(UNFINISHED))
            .values(**values)
        )
