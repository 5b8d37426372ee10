"""Where no lock decides, the primary key does; interleavings are forced by an event of the real database driver."""

import threading

import pytest
from sqlalchemy import event, insert, text

from flask_backend_patterns.api.idempotency import idempotency_table
from flask_backend_patterns.api.idempotency.request_identity import fingerprint, scoped_key


@pytest.fixture
def app(make_app, postgres_url):
    app = make_app(postgres_url, caller=lambda: "anna")

    @app.before_request
    def note():
        from flask import request

        app.key = {
            "key_hash": scoped_key(request, app=app.name, caller="anna", key="k"),
            "fingerprint": fingerprint(request),
        }

    return app


def post(app):
    return app.test_client().post("/untouched", data=b"x", headers={"Idempotency-Key": "k"})


def before_insert(app, act):
    """Call `act` once in another thread, when the claim is about to be inserted."""
    done = []

    def intercept(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO backend_idempotency_keys") and not done:
            done.append(True)
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()

    with app.app_context():
        event.listen(app.db.engine, "before_cursor_execute", intercept)


@pytest.mark.parametrize(
    ("row", "status", "code"),
    [
        ({"status": 201, "headers": "[]", "body": b"first"}, 201, None),
        ({"status": None}, 409, "IDEMPOTENCY_IN_PROGRESS"),
        ({"status": 201, "headers": "[]", "body": b"", "fingerprint": "other"}, 422, "IDEMPOTENCY_MISMATCH"),
    ],
    ids=["result", "claim", "other request"],
)
def test_a_row_that_came_in_between_wins(row, status, code, app, order_app, clock):
    """The request that finds its key taken at the last moment does not run, and answers by what is there."""
    table = idempotency_table(order_app.Base.metadata)

    def act():
        times = {"created_at": int(clock.now), "expires_at": int(clock.now) + 60}
        with app.app_context(), app.db.engine.begin() as connection:
            connection.execute(insert(table).values({**app.key, **times, **row}))

    before_insert(app, act)
    answer = post(app)
    assert answer.status_code == status
    assert (answer.data == b"first") if code is None else (answer.json["error"]["code"] == code)
    assert app.called == []


def test_a_claim_that_vanishes_is_an_error_not_an_answer(app, order_app):
    """If the row of the claim is gone at the end (somebody deleted it), nothing is committed."""
    from flask_backend_patterns import SetupError

    @app.post("/deletes")
    @order_app.idempotent()
    def deletes():
        app.db.session.add(order_app.Order(name="x"))
        app.db.session.execute(text("DELETE FROM backend_idempotency_keys"))
        app.db.session.commit()
        return "", 201

    with pytest.raises(SetupError, match="ended by something else"):
        app.test_client().post("/deletes", headers={"Idempotency-Key": "k"})
    assert order_app.count_orders(app) == 0


def test_replays_at_once_do_not_hinder_each_other(app):
    """Once the result is there, 16 requests at the same time all get it: none is told to wait."""
    assert post(app).status_code == 202
    barrier, statuses = threading.Barrier(16), []

    def send():
        barrier.wait()
        statuses.append(post(app).status_code)

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [202] * 16
    assert app.called == ["untouched"]


def test_purging_and_taking_over_the_same_expired_rows(make_app, database_url, clock, order_app):
    """8 threads send anew what has expired while 2 purge: every request succeeds once, nothing fresh is deleted."""
    from flask_backend_patterns.api.idempotency import purge_expired

    app = make_app(database_url, caller=lambda: "anna")
    keys = [f"k{number}" for number in range(24)]

    def send(key):
        return app.test_client().post("/short", data=b"x", headers={"Idempotency-Key": key})

    assert {send(key).status_code for key in keys} == {201}
    clock.now += 10
    answers = []

    def sender(part):
        answers.extend(send(key) for key in keys[part::8])

    def purger():
        with app.app_context():
            for _ in range(5):
                purge_expired(batch_size=4, clock=clock)

    threads = [threading.Thread(target=sender, args=(part,)) for part in range(8)]
    threads += [threading.Thread(target=purger) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(answer.status_code, answer.headers.get("Idempotency-Replayed")) for answer in answers] == [
        (201, None)
    ] * 24
    assert {send(key).headers.get("Idempotency-Replayed") for key in keys} == {"true"}
    assert order_app.count_orders(app) == 48
