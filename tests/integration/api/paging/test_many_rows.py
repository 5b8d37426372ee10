"""100,000 rows, walked through while another process inserts and deletes."""

import subprocess
import sys
import textwrap

import pytest
from sqlalchemy import insert, select, text

from flask_backend_patterns.api.paging import CursorPage, SortKey

ROWS = 100_000
STEADY_EVERY = 2  # rows with an even id are left alone by the other process

# Deletes odd rows and inserts rows all over the order, as fast as it can, until its input is closed; then says how many.
INTRUDER = """
import random, select, sys
from sqlalchemy import create_engine, event, text

engine = create_engine(sys.argv[1])
if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=30000"))
chance, new_id, deleted = random.Random(1), 1_000_001, 0
print("started", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    with engine.begin() as connection:
        gone = [{"id": chance.randrange(1, 100_000, 2)} for _ in range(20)]
        for one in gone:
            deleted += connection.execute(text("DELETE FROM items WHERE id = :id"), one).rowcount
        added = [{"id": new_id + 2 * place, "name": "n", "grp": chance.randrange(500)} for place in range(20)]
        connection.execute(text("INSERT INTO items (id, name, grp) VALUES (:id, :name, :grp)"), added)
        new_id += 40
print(deleted, (new_id - 1_000_001) // 2)
"""


@pytest.fixture
def intruder(session):
    url = session.get_bind().url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTRUDER), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "started\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def many(session, shop):
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA journal_mode=WAL"))
    rows = [{"id": number, "name": "n", "group": number * 7919 % 500} for number in range(1, ROWS + 1)]
    session.execute(
        insert(shop.Item.__table__), [{"id": row["id"], "name": "n", "grp": row["group"]} for row in rows]
    )
    session.execute(text("CREATE INDEX by_group ON items (grp, id)"))
    session.commit()


@pytest.mark.parametrize("descending", [False, True])
def test_a_walk_among_inserts_and_deletes(session, shop, many, intruder, descending):
    """Every row that is there all the time is visited exactly once, and no row twice, while another process changes the table."""
    style = CursorPage(sort=shop.sorts, max_limit=1_000, key=shop.Item.id)
    table = shop.Item.__table__
    seen = []

    def note(page):
        seen.extend((row.grp, row.id) for row in page.items)
        session.commit()  # the next page sees what the other process has done

    shop.walk(
        style,
        select(table.c.id, table.c.grp),
        sort=(SortKey("group", descending),),
        limit=1_000,
        session=session,
        turn=note,
    )
    answer, _ = intruder.communicate("stop\n", timeout=60)
    deleted, inserted = map(int, answer.split())
    assert min(deleted, inserted) > 100
    assert seen == sorted(set(seen), reverse=descending)
    steady = [number for _, number in seen if number % STEADY_EVERY == 0]
    assert sorted(steady) == list(range(STEADY_EVERY, ROWS + 1, STEADY_EVERY))
