"""Imports as a service, on both databases."""

import io
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from example_app.extensions import db
from example_app.models import Product, ProductImport, ProductImportRejection
from example_app.services import product_imports
from example_app.services.ordering import WantedLine, place_order
from example_app.worker import sweep

HEADER = b"sku,name,description,price,stock\n"


@pytest.fixture
def uploads(shop):
    return Path(shop.instance_path) / "uploads"


def submit(uploads, content):
    return product_imports.submit(
        content=io.BytesIO(content), filename="products.csv", user_id=3, folder=uploads
    ).id


def reload(import_id):
    db.session.rollback()
    db.session.expire_all()
    return db.session.get(ProductImport, import_id)


def counts(import_id):
    found = reload(import_id)
    return found.total_rows, found.processed_rows, found.created_rows, found.updated_rows, found.rejected_rows


def reasons():
    db.session.rollback()
    rows = select(ProductImportRejection).order_by(ProductImportRejection.row_number)
    return [(row.row_number, row.reason.partition(":")[0]) for row in db.session.scalars(rows)]


def test_rows_are_created_updated_and_rejected(uploads, stock):
    """New SKUs are created, known ones updated with a new version, bad ones rejected by row; the file is removed."""
    stock(A=1)
    rows = b"A,New name,,9.99,7\nB,Other,text,1,2\nB,Again,,1,1\n,x,,1,1\nC,x,,1.999,1\n"
    import_id = submit(uploads, HEADER + rows)
    assert product_imports.run(import_id, folder=uploads, batch_rows=2) == "finished"
    assert counts(import_id) == (5, 5, 1, 1, 3)
    assert reasons() == [(3, "sku"), (4, "sku"), (5, "price")]
    changed = db.session.scalars(select(Product).where(Product.sku == "A")).one()
    assert (changed.name, changed.price_cents, changed.stock, changed.version) == ("New name", 999, 7, 2)
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("batches_before", [0, 1, 3])
def test_an_interrupted_import_goes_on_without_doubles(uploads, stock, monkeypatch, batches_before):
    """Stopped between or inside batches and run again: each row counts once, each rejection is there once."""
    stock(Z=1)
    rows = b"".join(b"S%d,Name,,%s,1\n" % (n, b"bad" if n % 10 == 0 else b"1.00") for n in range(1, 101))
    import_id = submit(uploads, HEADER + rows)
    store, done = product_imports.ProductImportRepository.reject, []

    def interrupted(self, *args):
        store(self, *args)
        done.append(args)
        if len(done) > batches_before:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(product_imports.ProductImportRepository, "reject", interrupted)
        with pytest.raises(KeyboardInterrupt):
            product_imports.run(import_id, folder=uploads, batch_rows=10)
    assert counts(import_id)[1] == 10 * batches_before
    assert product_imports.run(import_id, folder=uploads, batch_rows=7) == "finished"
    assert counts(import_id) == (100, 100, 90, 0, 10)
    assert reasons() == [(number, "price") for number in range(10, 101, 10)]


def test_two_workers_on_one_import_do_not_double(uploads, stock, monkeypatch):
    """The worker that finds the progress moved stops and leaves no trace of its batch."""
    stock(Z=1)
    import_id = submit(uploads, HEADER + b"".join(b"S%d,Name,,1,1\n" % n for n in range(20)))
    upsert, entered = product_imports.ProductRepository.upsert, []

    def overtaken(self, rows):
        entered.append(rows)
        return upsert(self, rows)

    monkeypatch.setattr(product_imports.ProductRepository, "upsert", overtaken)
    batch = next(product_imports._batches(next(uploads.iterdir()), skip=0, size=5))
    product_imports._set(import_id, status="running", total_rows=20)
    product_imports._store(import_id, batch, expected=0)
    with pytest.raises(product_imports.TakenOverError):
        product_imports._store(import_id, batch, expected=0)
    assert len(entered) == 2
    assert counts(import_id) == (20, 5, 5, 0, 0)
    assert product_imports.run(import_id, folder=uploads, batch_rows=250) == "finished"
    assert counts(import_id) == (20, 20, 20, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty"),
        (b"sku,name,price,stock\nA,b,1,1\n", "Missing in the first line: description"),
        (HEADER.replace(b"\n", b",colour\n"), "Unknown in the first line: 'colour'"),
        (HEADER.replace(b"\n", b",sku\n"), "A column stands twice"),
        (b"\xff\xfe\x00s\x00k", "Missing in the first line"),
    ],
)
def test_a_file_with_a_wrong_header_fails_with_a_reason(uploads, stock, content, reason):
    """Nothing is imported, and the sender reads what was expected."""
    stock(Z=1)
    import_id = submit(uploads, content)
    assert product_imports.run(import_id, folder=uploads, batch_rows=250) == "failed"
    found = reload(import_id)
    assert list(uploads.iterdir()) == []
    assert found.status == "failed"
    assert found.failure_reason.startswith(reason)
    assert found.processed_rows == 0
    assert product_imports.run(import_id, folder=uploads, batch_rows=250) == "failed"


def test_a_lost_upload_fails_with_a_reason(uploads, stock):
    """An import whose file is gone ends, instead of being resumed for ever."""
    stock(Z=1)
    import_id = submit(uploads, HEADER)
    next(uploads.iterdir()).unlink()
    assert product_imports.run(import_id, folder=uploads, batch_rows=250) == "failed"
    assert product_imports.resume_unfinished() == 0


def test_three_attempts_without_progress_are_enough(uploads, stock, monkeypatch):
    """An import that always breaks off ends as failed with a reason, without its file; progress renews its chances."""
    stock(Z=1)
    import_id = submit(uploads, HEADER + b"A,n,,1,1\nB,n,,1,1\n")
    store, allowed = product_imports._store, [True]

    def broken(*args, **options):
        if not allowed:
            raise OSError
        allowed.pop()
        store(*args, **options)

    monkeypatch.setattr(product_imports, "_store", broken)
    for _ in range(product_imports.MAX_ATTEMPTS):
        with pytest.raises(OSError):
            product_imports.run(import_id, folder=uploads, batch_rows=1)
        assert reload(import_id).status == "running"
        db.session.rollback()
    assert product_imports.run(import_id, folder=uploads, batch_rows=1) == "failed"
    assert reload(import_id).failure_reason == "Broken off 3 times at row 2 or soon after."
    assert counts(import_id)[1] == 1
    assert list(uploads.iterdir()) == []


def test_ending_an_import_stops_who_works_on_it(uploads, stock):
    """Failed while a worker holds a batch: the batch is not stored, and the end stays the end."""
    stock(Z=1)
    import_id = submit(uploads, HEADER + b"A,n,,1,1\n")
    batch = next(product_imports._batches(next(uploads.iterdir()), skip=0, size=5))
    product_imports._set(import_id, status="running")
    product_imports.fail(import_id, "no")
    with pytest.raises(product_imports.TakenOverError):
        product_imports._store(import_id, batch, expected=0)
    product_imports._set(import_id, status="finished")
    assert (reload(import_id).status, counts(import_id)[1]) == ("failed", 0)
    db.session.rollback()
    assert db.session.scalar(select(Product).where(Product.sku == "A")) is None


def test_an_upload_that_cannot_be_noted_leaves_no_file(uploads, stock):
    """The transaction fails: no file stays behind. A long name is cut to what the table holds."""
    stock(Z=1)
    with pytest.raises(IntegrityError):
        product_imports.submit(content=io.BytesIO(HEADER), filename="x", user_id=987_654, folder=uploads)
    assert list(uploads.iterdir()) == []
    stored = product_imports.submit(content=io.BytesIO(HEADER), filename="x" * 300, user_id=3, folder=uploads)
    assert len(stored.filename) == 255


def test_a_sweep_leaves_alone_what_is_queued(shop, uploads, stock):
    """What waits in the queue is not queued twice; what is lost is queued."""
    stock(Z=5)
    import_id = submit(uploads, HEADER)
    place_order(1, [WantedLine(sku="Z", quantity=1)])
    queue = shop.extensions["example_app.queue"]
    sweep(shop, older_than_seconds=0)
    assert len(queue.jobs) == 2
    queue.empty()
    sweep(shop, older_than_seconds=3_600)
    assert [job.args for job in queue.jobs] == [[import_id]]
    sweep(shop, older_than_seconds=0)
    assert len(queue.jobs) == 2


def test_unfinished_imports_are_queued_again(shop, uploads, stock):
    """What a killed worker has left, or what was submitted while Redis was down, is found in the database."""
    stock(Z=1)
    import_id = submit(uploads, HEADER)
    queue = shop.extensions["example_app.queue"]
    queue.empty()
    assert product_imports.resume_unfinished() == 1
    assert [job.args for job in queue.jobs] == [[import_id]]
