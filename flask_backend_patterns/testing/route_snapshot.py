"""The routes of an app as a text file in the repository, so that a pull request shows a changed permission as one line.

```python
def test_routes(app):
    assert_routes_match(app, "tests/routes.txt")
```
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

UPDATE_VARIABLE = "BACKEND_UPDATE_SNAPSHOTS"
CI_VARIABLE = "CI"
NO_WORDS = frozenset({"", "0", "false", "no", "off"})
MAX_SHOWN_LINES = 200
# What reads as one thing: `permission=orders:read (owner)`.
IN_BRACKETS = {"ownership": "permission"}
SHORT_NAMES = {"authentication": "auth"}


def routes_snapshot(app: Flask) -> str:
    """A line for each route and method of `app`, in a stable order: method, rule, endpoint, and what is declared.

    `GET /api/orders  orders.list_orders  auth=required permission=orders:read (scoped list)`. Values with spaces are
    quoted; a route that nothing is declared on has `auth=UNDECLARED`.
    """
    from .. import route_table

    return "".join(f"{_line(entry)}\n" for entry in route_table(app))


def assert_routes_match(app: Flask, path: str | os.PathLike[str]) -> None:
    """Raise `AssertionError` with a diff when the routes of `app` are not those in the file `path` (UTF-8).

    `BACKEND_UPDATE_SNAPSHOTS=1` in the environment writes the file instead, but never where `CI` is set. A relative path
    starts at the current folder, which is pytest's root as a rule.
    """
    __tracebackhide__ = True  # pytest shows the line that called this
    file, wanted = Path(path), routes_snapshot(app)
    present = _read(file)
    if present == wanted:  # line ends do not count: reading makes them all alike
        return
    if not _is_set(UPDATE_VARIABLE):
        raise AssertionError(_complaint(file, present, wanted))
    if _is_set(CI_VARIABLE):
        raise AssertionError(
            f"{UPDATE_VARIABLE} is set, but snapshots are not written in CI: write {file} on your machine and commit it.\n"
            + _complaint(file, present, wanted)
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(wanted, encoding="utf-8", errors="backslashreplace", newline="\n")


def _line(entry: Any) -> str:
    said = dict(entry.columns)
    if entry.is_undeclared:
        said = {"authentication": "UNDECLARED", **said}
    if entry.bypassed:
        said["bypassed"] = ", ".join(entry.bypassed)
    if entry.notes:
        said["note"] = "; ".join(entry.notes)
    return f"{entry.method} {_plain(entry.location)}  {_plain(entry.endpoint)}  {' '.join(_parts(said))}"


def _parts(said: dict[str, str]) -> Iterator[str]:
    order = sorted(said, key=lambda column: (column != "authentication", column))
    bracketed = {column: home for column, home in IN_BRACKETS.items() if column in said and home in said}
    for column in order:
        if column in bracketed:
            continue
        inner = [said[other] for other, home in bracketed.items() if home == column]
        extra = f" ({_plain(', '.join(inner))})" if inner else ""
        yield f"{SHORT_NAMES.get(column, _plain(column))}={_value(said[column])}{extra}"


def _value(text: str) -> str:
    plain = _plain(text)
    return json.dumps(plain, ensure_ascii=False) if " " in plain or '"' in plain or not plain else plain


def _plain(text: str) -> str:
    """`text` in one line, whatever is in it."""
    words = " ".join(text.split())
    if words.isprintable():
        return words
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in words
    )


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _complaint(file: Path, present: str | None, wanted: str) -> str:
    remedy = f"If that is what you want, write the file again and commit it: {UPDATE_VARIABLE}=1 pytest"
    if present is None:
        return f"{file} does not exist. To write it: {UPDATE_VARIABLE}=1 pytest"
    diff = difflib.unified_diff(
        present.splitlines(), wanted.splitlines(), f"{file} (as committed)", "the app", n=0, lineterm=""
    )
    lines = [line for line in diff if not line.startswith("@@")]
    hidden = len(lines) - MAX_SHOWN_LINES
    more = [f"... and {hidden} more lines"] if hidden > 0 else []
    return "\n".join(("The routes have changed:", *lines[:MAX_SHOWN_LINES], *more, remedy))


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in NO_WORDS
