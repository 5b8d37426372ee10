"""The load: blocking connections that each ask, wait for the whole answer, and ask again."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .shop import token_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .exchanges import Call

CONNECTIONS = 16
HEAD_END = b"\r\n\r\n"


class Tokens:
    """One access token for each caller, made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], str] = {}

    def of(self, call: Call) -> str | None:
        """The token that goes with `call`; None for anonymous ones."""
        if call.user_id is None:
            return None
        key = call.user_id, call.role
        if key not in self._made:
            self._made[key] = token_for(*key)
        return self._made[key]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What became of a load: latencies in seconds, and how long all took."""

    latencies: list[float]
    seconds: float

    def percentile(self, share: float) -> float:
        """Milliseconds within which `share` (0 to 1) of the requests were answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


def as_bytes(call: Call, tokens: Tokens) -> bytes:
    """`call` as it goes over the wire (HTTP/1.1)."""
    lines = [f"{call.method} {call.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in call.head(tokens.of(call)).items()]
    return "\r\n".join(lines).encode() + HEAD_END + call.data()


def run(port: int, requests: Sequence[bytes], status: int) -> Load:
    """Send `requests`, shared out over the connections; raises `RuntimeError` for any other status than `status`."""
    latencies: list[float] = []
    failures: list[str] = []
    threads = [
        threading.Thread(target=_talk, args=(port, requests[start::CONNECTIONS], status, latencies, failures))
        for start in range(CONNECTIONS)
    ]
    started = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return Load(latencies=latencies, seconds=perf_counter() - started)


def _talk(
    port: int, requests: Sequence[bytes], status: int, latencies: list[float], failures: list[str]
) -> None:
    wanted = f"HTTP/1.1 {status} ".encode()
    mine = []
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in requests:
                started = perf_counter()
                connection.sendall(request)
                answer = read_answer(connection)
                mine.append(perf_counter() - started)
                if not answer.startswith(wanted):
                    failures.append(f"expected {status}: {answer[:600].decode('latin-1')}")
                    return
    except OSError as error:
        failures.append(repr(error))
    latencies += mine  # one operation, so nothing is lost between threads


def read_answer(connection: socket.socket) -> bytes:
    """Head and body of one answer, which says its length."""
    answer = b""
    while HEAD_END not in answer:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("the server has closed the connection")
        answer += part
    head, _, body = answer.partition(HEAD_END)
    length = int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + HEAD_END + body
