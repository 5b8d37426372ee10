"""Both apps have to be the same thing before their speed is compared."""

from __future__ import annotations

import json
import socket
from email.parser import Parser
from typing import TYPE_CHECKING

from .client import HEAD_END, Tokens, as_bytes, read_answer
from .exchanges import ALWAYS, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .exchanges import Kind

SAMPLES = 3


class NotTheSameError(Exception):
    """One app answers otherwise than it should, or than the other."""


def require_the_same(ports: Mapping[str, int], tokens: Tokens) -> None:
    """Ask each for some of every kind: status, required headers, and the same bodies; raises `NotTheSameError`."""
    for kind in KINDS:
        for number in range(SAMPLES):
            seen = {name: _answer(name, port, kind, number, tokens) for name, port in ports.items()}
            first = next(iter(seen))
            for name, body in seen.items():
                if body != seen[first]:
                    raise NotTheSameError(f"{kind.name}: {first} says {seen[first]}, {name} {body}")


def _answer(name: str, port: int, kind: Kind, number: int, tokens: Tokens) -> object:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for turn in range(kind.before if number == 0 else 0):
            connection.sendall(as_bytes(kind.calls(turn), tokens))
            read_answer(connection)
        connection.sendall(as_bytes(kind.calls(number), tokens))
        head, _, body = read_answer(connection).partition(HEAD_END)
    first, _, lines = head.decode("latin-1").partition("\r\n")
    headers = Parser().parsestr(lines, headersonly=True)
    if first.split(" ")[1] != str(kind.status):
        raise NotTheSameError(f"{name}, {kind.name}: {first}, not {kind.status}: {body[:600]!r}")
    for wanted in (*ALWAYS, *kind.headers):
        if not any(headers.get(either) for either in wanted.split("|")):
            raise NotTheSameError(f"{name}, {kind.name}: no {wanted} among {headers.keys()}")
    return kind.compared(json.loads(body))
