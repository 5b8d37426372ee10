"""A server that the tests start, break and take along when they end, however they end.

LocalServer            start, stop, kill, suspend, resume, restart, close
  RedisServer          redis_server.py
  PostgresServer       postgres_server.py

ServerError            RuntimeError
  MissingServerError   nothing to run: names the command that installs it
  ServerStartError     it did not come up: carries its log
  ServerControlError   asked of a server that is not ours, or not running
"""

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar, NoReturn, Self

INSTALL_COMMAND = "pip install 'flask-backend-patterns[testing]'"
HOST = "127.0.0.1"

# Below the ranges that Linux and macOS hand out to clients: nobody is given our port while the server is down
# for a test, and a client that tries again and again cannot get connected to itself.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 20
_POLL_SECONDS = 0.005

# The guardian is a shell that waits on a pipe which only this process holds. When the pipe ends without a word,
# this process is gone (SIGKILL included), and the guardian ends the server and removes its files. A parent-death
# signal would not do: it comes when the *thread* that started the server ends, and tests restart servers from threads.
# Each line read is a list of process ids, the server's first; all are woken, since a stopped one heeds no signal.
_GUARDIAN = """
while read -r line; do pids=$line; done
test -n "$pids" || exit 0
kill -CONT $pids
kill -s "$1" "${pids%% *}"
tenths=0
while kill -0 "${pids%% *}" && test $((tenths += 1)) -le 100; do
    sleep 0.1
done
kill -KILL $pids
test -z "$2" || rm -rf -- "$2"
"""


class ServerError(RuntimeError):
    """A test's server is missing, did not start or cannot be controlled."""


class MissingServerError(ServerError):
    """There is no server program to run."""

    def __init__(self, name: str, alternatives: str) -> None:
        super().__init__(f"No {name} to test with. Run {INSTALL_COMMAND}, or {alternatives}.")


class ServerStartError(ServerError):
    """The server ended, or was not ready in time; the message ends with its log."""


class ServerControlError(ServerError):
    """The server does not run, or was not started by the tests."""


class LocalServer(ABC):
    """One server process on 127.0.0.1, on a free port that it keeps over restarts.

    Any thread may call the methods, one at a time. The process is not in the terminal's group, so Ctrl-C reaches the
    tests and their teardown ends it.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    kill_signal: ClassVar[signal.Signals]

    start_timeout_seconds = 30.0
    stop_timeout_seconds = 10.0

    def __init__(self) -> None:
        self._owner_pid = os.getpid()
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None
        self._suspended: tuple[int, ...] = ()
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by close()

    @property
    def port(self) -> int:
        """The TCP port; the same after a restart."""
        if self._port is None:
            raise ServerControlError(f"{self.name} was never started")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server (PostgreSQL: of its postmaster)."""
        if self._process is None or self._process.poll() is not None:
            raise ServerControlError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists; a suspended one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has written, over all its starts."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def start(self) -> Self:
        """Return once the server answers.

        Raises:
            ServerStartError: it ended or was not ready within `start_timeout_seconds`.
        """
        if self.running:
            return self
        atexit.register(self.close)
        ports = [self._port] if self._port else random.SystemRandom().sample(_PORTS, _PORT_ATTEMPTS)
        for port in ports:
            if self._port is None and not _is_free(port):
                continue
            if self._launch(port):
                self._port = port
                return self
        raise ServerStartError(f"{self.name} found no port to listen on:\n{self.log}")

    def stop(self) -> None:
        """Shut the server down in good order; nothing if it does not run."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Crash the server: no goodbye to its clients, nothing saved."""
        self._end(self.kill_signal)

    def restart(self) -> None:
        """Run again on the same port, stopped before if it runs."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Let the server hang: connections stay open, the kernel still accepts new ones, nothing is answered."""
        if self._suspended:
            return
        os.kill(self.pid, signal.SIGSTOP)  # the parent first, so that no child is born meanwhile
        self._suspended = self._family()
        for pid in self._suspended[1:]:
            os.kill(pid, signal.SIGSTOP)
        self._tell_guardian(self._suspended)

    def resume(self) -> None:
        """Let a suspended server go on; nothing if it is not suspended."""
        for pid in self._suspended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._suspended = ()

    def close(self) -> None:
        """End the server for good and remove its files. A forked child of the test process does nothing here."""
        if os.getpid() != self._owner_pid:
            return
        atexit.unregister(self.close)
        self.stop()
        self._log.close()

    @abstractmethod
    def _command(self, port: int) -> Sequence[str | Path]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def _is_ready(self, pid: int, port: int) -> bool:
        """Whether the server with this process id, and no other, answers at the port."""

    def _family(self) -> tuple[int, ...]:
        """The processes to suspend, the server's own first."""
        return (self.pid,)

    def _identity(self) -> tuple[int | None, int | None]:
        """User and group id to run as; None means the test process's own."""
        return None, None

    def _directory(self) -> Path | None:
        """What the guardian removes when the tests are killed."""
        return None

    def _launch(self, port: int) -> bool:
        """False if the port was taken by somebody else."""
        log_start = self._log.seek(0, os.SEEK_END)
        user, group = self._identity()
        self._guardian = self._guard()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                self._command(port),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )
            self._tell_guardian((self._process.pid,))
            if self._wait_until_ready(self._process, port):
                return True
        except BaseException:
            self._end(signal.SIGKILL)
            self._release_guardian()
            raise
        self._release_guardian()
        self._log.seek(log_start)
        text = self._log.read().decode(errors="replace")
        if "ddress already in use" in text:
            return False
        raise ServerStartError(f"{self.name} ended at once:\n{text}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """False if the process has ended."""
        deadline = time.monotonic() + self.start_timeout_seconds
        while process.poll() is None:
            if self._is_ready(process.pid, port):
                return True
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"{self.name} not ready after {self.start_timeout_seconds} s:\n{self.log}"
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _end(self, signal_number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        self.resume()
        if process.poll() is None:
            process.send_signal(signal_number)
            try:
                process.wait(self.stop_timeout_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._process = None
        self._release_guardian()

    def _guard(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            ["/bin/sh", "-c", _GUARDIAN, "guardian", self.kill_signal.name[3:], str(self._directory() or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _tell_guardian(self, pids: tuple[int, ...]) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.write((" ".join(map(str, pids)) + "\n").encode())
            self._guardian.stdin.flush()

    def _release_guardian(self) -> None:
        """Before the server's process id can belong to somebody else."""
        guardian, self._guardian = self._guardian, None
        if guardian is not None:
            guardian.kill()
            guardian.communicate()


class ForeignServer:
    """A server named by an environment variable: used as it is, never started or stopped."""

    variable: ClassVar[str]

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def pid(self) -> int:
        """Refused: it may be on another machine."""
        self._refuse()

    def reset(self) -> None:
        """Make it fit for the next test."""

    def close(self) -> None:
        """Leave the server as it is."""

    def _refuse(self) -> NoReturn:
        raise ServerControlError(
            f"{self.variable} names a server that is not ours to stop; unset it for this test"
        )

    start = stop = kill = suspend = resume = restart = _refuse


def free_port() -> int:
    """A port nobody listens on, and that the system gives to no client while the server is still starting."""
    return next(port for port in random.SystemRandom().sample(_PORTS, _PORT_ATTEMPTS) if _is_free(port))


def _is_free(port: int) -> bool:
    """A first look; the server's own attempt decides."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
