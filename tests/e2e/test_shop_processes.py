"""The shop as real processes: what `make run` promises."""

import email
import os
import re
import signal
import socket
import sqlite3
import sys
import time
import uuid
from contextlib import closing

import pytest

from flask_backend_patterns.testing.redis_server import RedisServer

ROWS, BAD_ROWS = 10_000, 100
HEADER = "sku,name,description,price,stock\n"


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def csv_file():
    """10,000 rows; each hundredth has a price that is none."""
    rows = (
        f"CSV-{number:05d},Thing {number},,{'free' if number % 100 == 0 else '9.99'},{number % 7}\n"
        for number in range(1, ROWS + 1)
    )
    return (HEADER + "".join(rows)).encode()


def submit(client, content):
    response = client.post("/api/product-imports", content=content, headers={"Content-Type": "text/csv"})
    assert response.status_code == 202, response.text
    return response.headers["Location"]


def assert_imported_exactly(client, location):
    status = client.get(location).json()["data"]
    counts = {key: status[key] for key in status if key.endswith("_rows")}
    assert counts == {
        "total_rows": ROWS, "processed_rows": ROWS, "created_rows": ROWS - BAD_ROWS, "updated_rows": 0,
        "rejected_rows": BAD_ROWS,
    }  # fmt: skip
    answer = client.get(f"{location}/rejections?limit=1000").json()
    assert answer["meta"]["total"] == BAD_ROWS
    assert [row["row_number"] for row in answer["data"]] == list(range(100, ROWS + 1, 100))
    assert {row["reason"] for row in answer["data"]} == {"price: not an amount like 12.50: 'free'"}


@pytest.fixture(scope="module")
def shop(start_shop, tmp_path_factory):
    """A running shop for the tests that only use it."""
    shop = start_shop(tmp_path_factory.mktemp("shop"))
    shop.wait_until_open()
    return shop


def test_an_order_leads_to_a_mail_by_the_worker(shop, eventually):
    """Placed over HTTP by the demo customer; another process writes the mail and notes it on the order."""
    with shop.client("customer") as client:
        response = client.post(
            "/api/orders", json={"lines": [{"sku": "P-00001", "quantity": 2}]}, headers=new_key()
        )
        assert response.status_code == 201, response.text
        order = response.json()["data"]
        path = shop.instance / "mail" / f"order-{order['id']}.eml"
        eventually(path.exists, what="the mail")
        message = email.message_from_bytes(path.read_bytes())
        assert message["To"] == "customer@shop.example"
        assert f"order {order['id']}" in message["Subject"]
        eventually(
            lambda: client.get(f"/api/orders/{order['id']}").json()["data"]["confirmation_sent_at"],
            what="the note on the order",
        )


def test_an_import_shows_progress_and_every_reason(shop, eventually):
    """10,000 rows with 100 bad ones: progress is seen while it runs, and each bad row has its one reason."""
    with shop.client("admin") as client:  # whom nothing limits, for one who asks all the time
        location = submit(client, csv_file())
        seen = set()

        def finished():
            status = client.get(location).json()["data"]
            seen.add((status["status"], status["processed_rows"]))
            return status["status"] == "finished"

        eventually(finished, what="the import")
        assert [rows for status, rows in seen if status == "running" and 0 < rows < ROWS], seen
        assert_imported_exactly(client, location)


def test_the_first_start_tells_how_to_get_in(shop):
    """Address and every demo login are printed."""
    assert f"http://127.0.0.1:{shop.port}/" in shop.output
    assert all(f"{role}@shop.example" in shop.output for role in ("customer", "support", "manager", "admin"))
    assert "password shop-demo" in shop.output


def test_a_second_shop_in_the_same_folder_is_refused(shop, start_shop):
    """Two Redis servers over the same files would ruin them: one line, exit code 2, the first one lives on."""
    second = start_shop(shop.instance)
    assert second.wait() == 2
    assert len(second.lines) == 1
    assert "running already" in second.output
    with shop.client() as client:
        assert client.get("/health/ready").status_code == 200


def test_a_taken_port_gives_one_clear_line(start_shop, tmp_path):
    """Exit code 2 and the command that helps."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shop = start_shop(tmp_path, PORT=str(port))
        assert shop.wait() == 2
    assert shop.lines == [f"Port {port} is taken. Choose another: PORT={port + 1} make run"]


class SlowUpload:
    """A request that is under way until `finish`: the body comes in two parts."""

    def __init__(self, shop, eventually):
        self._rest = b"SLOW-1,Thing,,1.00,1\n"
        body = HEADER.encode()
        self._connection = socket.create_connection(("127.0.0.1", shop.port), timeout=60)
        token = shop.tokens("admin")["access_token"]
        head = (
            f"POST /api/product-imports HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: text/csv\r\nContent-Length: {len(body) + len(self._rest)}\r\n\r\n"
        )
        self._connection.sendall(head.encode() + body)
        uploads = shop.instance / "uploads"
        eventually(lambda: list(uploads.glob("*.csv")), what="the view's reading")

    def finish(self):
        with self._connection:
            self._connection.sendall(self._rest)
            return self._connection.recv(4096)

    def close(self):
        self._connection.close()


def test_sigterm_finishes_what_is_under_way(start_shop, tmp_path, eventually):
    """Readiness says no while liveness says yes; a request under way is answered; then no process is left."""
    shop = start_shop(tmp_path, SHOP_DRAIN_SECONDS="5")
    shop.wait_until_open()
    upload = SlowUpload(shop, eventually)
    with shop.client() as client:
        assert client.get("/health/ready").status_code == 200
        shop.signal(signal.SIGTERM)
        eventually(lambda: client.get("/health/ready").status_code == 503, what="draining")
        assert client.get("/health/live").status_code == 200

    def refused():
        try:
            socket.create_connection(("127.0.0.1", shop.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, what="closing the port")
    assert upload.finish().startswith(b"HTTP/1.1 202")
    assert shop.wait() == 0, shop.output
    assert shop.lines[-1] == "Stopped."
    assert shop.left_behind() == []


def test_a_second_signal_stops_at_once(start_shop, tmp_path, eventually):
    """Whatever is under way, and without leaving a process."""
    shop = start_shop(tmp_path, SHOP_DRAIN_SECONDS="600")
    shop.wait_until_open()
    upload = SlowUpload(shop, eventually)
    shop.signal(signal.SIGINT)
    eventually(lambda: "Stopping" in shop.output, what="stopping")
    shop.signal(signal.SIGINT)
    assert shop.process.wait(60) == 0
    upload.close()
    eventually(lambda: shop.left_behind() == [], what="the end of all processes")


def test_an_interrupted_first_start_leaves_no_half_shop(start_shop, tmp_path, eventually):
    """Ctrl-C while the demo data are made up: nobody left, and the next start makes them up from the beginning."""
    first = start_shop(tmp_path, SHOP_SEED_ORDERS="20000")
    eventually(lambda: "making up the demo data" in first.output, what="seeding")
    first.signal(signal.SIGINT)
    assert first.wait() == 0, first.output
    assert "Seeded" not in first.output
    assert first.left_behind() == []
    second = start_shop(tmp_path)
    second.wait_until_open()
    assert "Seeded 20 users, 200 products and 50 orders" in second.output


def test_a_killed_worker_stops_all_and_its_import_goes_on(start_shop, tmp_path, eventually):
    """SIGKILL in the midst of an import: exit code 1, its name, nobody left; the next start is quick and exact."""
    first = start_shop(tmp_path)
    first.wait_until_open()
    with first.client("admin") as client:
        location = submit(client, csv_file())

        def under_way():
            status = client.get(location).json()["data"]
            assert status["status"] in {"queued", "running"}
            return 0 < status["processed_rows"] < ROWS

        eventually(under_way, what="progress")
        first.remember_family()
        first.child("example_app.worker").kill()
    assert first.wait() == 1
    with closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as database:
        assert 0 < database.execute("SELECT processed_rows FROM product_imports").fetchone()[0] < ROWS
    assert "worker ended unexpectedly (killed by SIGKILL)" in first.output
    eventually(lambda: first.left_behind() == [], what="the end of all processes")

    second = start_shop(tmp_path)
    second.wait_until_open()
    with second.client("admin") as client:
        eventually(lambda: client.get(location).json()["data"]["status"] == "finished", what="the rest")
        assert_imported_exactly(client, location)
        assert client.get("/api/products").json()["meta"]["total"] == 200 + ROWS - BAD_ROWS


@pytest.fixture(scope="module")
def sweeping_shop(start_shop, tmp_path_factory):
    """A running shop that looks for unfinished work each second, for the tests that only break a job."""
    shop = start_shop(tmp_path_factory.mktemp("sweeping"), SHOP_SWEEP_SECONDS="1")
    shop.wait_until_open()
    return shop


def test_a_killed_job_goes_on_without_a_restart(sweeping_shop, eventually):
    """SIGKILL to the job's process alone, in the midst of an import: the same worker finishes it, exactly."""
    shop = sweeping_shop
    with shop.client("admin") as client:
        location = submit(client, csv_file())
        eventually(lambda: 0 < client.get(location).json()["data"]["processed_rows"] < ROWS, what="progress")
        (horse,) = shop.child("example_app.worker").children()
        horse.kill()
        assert client.get(location).json()["data"]["status"] == "running"
        eventually(lambda: client.get(location).json()["data"]["status"] == "finished", what="the rest")
        assert_imported_exactly(client, location)
    assert shop.process.poll() is None


def test_a_mail_that_could_not_be_written_is_sent_later(sweeping_shop, eventually):
    """The job raises while the mail folder is away; once it is back, the worker sends the mail on its own."""
    shop = sweeping_shop
    mail = shop.instance / "mail"
    with shop.client("customer") as client:
        # A worker that is still starting would make the folder anew.
        eventually(
            lambda: client.get("/health/ready").json()["checks"]["queue"][0]["status"] == "pass",
            what="the worker",
        )
        mail.rename(shop.instance / "away")
        body = {"lines": [{"sku": "P-00001", "quantity": 1}]}
        order = client.post("/api/orders", json=body, headers=new_key()).json()["data"]
        eventually(lambda: "FileNotFoundError" in shop.output, what="the failure")
        address = f"/api/orders/{order['id']}"
        assert client.get(address).json()["data"]["confirmation_sent_at"] is None
        (shop.instance / "away").rename(mail)
        eventually(lambda: client.get(address).json()["data"]["confirmation_sent_at"], what="the mail")
    assert (mail / f"order-{order['id']}.eml").exists()


@pytest.mark.parametrize("part", ["granian", "redis"])
def test_a_crashed_child_stops_the_rest(start_shop, tmp_path, eventually, part):
    """Exit code 1, the name of the child, and nobody left."""
    shop = start_shop(tmp_path)
    shop.wait_until_open()
    shop.child(part).kill()
    assert shop.wait() == 1
    assert "ended unexpectedly (killed by SIGKILL)" in shop.output
    eventually(lambda: shop.left_behind() == [], what="the end of all processes")


def test_a_child_that_cannot_start_says_why(start_shop, tmp_path):
    """The last lines of what failed are shown, with its exit code."""
    shop = start_shop(tmp_path, SHOP_DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert shop.wait() == 1
    assert "setup ended unexpectedly (exit code 1)" in shop.output
    assert "onnection refused" in shop.output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems cannot tell a child of this")
@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_nobody_outlives_a_killed_supervisor(start_shop, tmp_path, eventually, server):
    """SIGKILL to the supervisor alone, with a job running: servers, their workers and the job's process end too."""
    shop = start_shop(tmp_path, SHOP_WEB_SERVER=server)
    shop.wait_until_open()
    with shop.client("admin") as client:
        location = submit(client, csv_file())
        eventually(lambda: client.get(location).json()["data"]["status"] == "running", what="the import")
    assert len(shop.remember_family()) >= 4
    os.kill(shop.process.pid, signal.SIGKILL)
    shop.wait()
    eventually(lambda: shop.left_behind() == [], what="the end of all processes")


def test_gunicorn_serves_it_too(start_shop, tmp_path):
    """By a setting; it starts, serves and stops as granian does."""
    shop = start_shop(tmp_path, SHOP_WEB_SERVER="gunicorn")
    shop.wait_until_open()
    with shop.client("customer") as client:
        response = client.post(
            "/api/orders", json={"lines": [{"product_id": 1, "quantity": 1}]}, headers=new_key()
        )
        assert response.status_code == 201
    shop.signal(signal.SIGTERM)
    assert shop.wait() == 0, shop.output
    assert shop.left_behind() == []


@pytest.fixture
def own_redis():
    """A Redis beside the shop, which may be killed without ending the shop."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("outage", ["killed", "hung"])
def test_who_is_logged_in_reads_on_without_redis(start_shop, tmp_path, own_redis, eventually, outage):
    """Reads are answered, by token and by cookie; a refresh is a quick 503, and spends nothing.

    The budget is 100 ms for the request that notices; here far more, for a machine that is busy with other tests.
    """
    shop = start_shop(tmp_path, BACKEND_REDIS_URL=own_redis.url, BACKEND_REDIS_TIMEOUT_SECONDS="0.09")
    shop.wait_until_open()
    refresh = {"refresh_token": shop.tokens("customer")["refresh_token"]}
    with shop.client("customer") as client, shop.client() as browser:
        assert client.get("/api/orders").status_code == 200
        assert sent_form(browser).headers["Location"] == "/account"
        assert "Where you are logged in" in browser.get("/account").text
        own_redis.kill() if outage == "killed" else own_redis.suspend()

        for request, status in [
            (lambda: client.post("/auth/refresh", json=refresh), 503),
            (lambda: client.get("/api/orders"), 200),
            (lambda: browser.get("/account"), 200),
        ]:
            for _ in range(5):
                began = time.perf_counter()
                response = request()
                assert (response.status_code, time.perf_counter() - began < 10) == (status, True), (
                    response.text
                )
        assert "cannot be shown right now" in response.text
        with shop.client() as stranger:
            page = sent_form(stranger)
            assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        refused = client.post("/auth/refresh", json=refresh)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert shop.process.poll() is None

        if outage == "hung":
            own_redis.resume()
            tokens = eventually(lambda: refreshed(client, refresh), what="the refresh")
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            assert client.get("/api/orders").status_code == 200


def refreshed(client, refresh):
    response = client.post("/auth/refresh", json=refresh)
    assert response.status_code in {200, 503}, response.text
    return response.json().get("data")


def sent_form(browser):
    browser.headers["Accept"] = "text/html"
    token = re.search('name="csrf_token" value="([^"]+)"', browser.get("/login").text)[1]
    form = {"csrf_token": token, "login": "customer@shop.example", "password": "shop-demo"}
    return browser.post("/login", data=form)


@pytest.mark.parametrize(
    "setting", [{"PORT": "x"}, {"PORT": "0"}, {"SHOP_WEB_SERVER": "y"}, {"SHOP_DRAIN_SECONDS": "z"}]
)
def test_a_wrong_setting_is_named(start_shop, tmp_path, setting):
    """One line with the setting's name, exit code 2."""
    shop = start_shop(tmp_path, **setting)
    assert shop.wait() == 2
    assert len(shop.lines) == 1
    assert next(iter(setting)) in shop.output
