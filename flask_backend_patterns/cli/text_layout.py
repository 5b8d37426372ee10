"""Text in terminal columns: how wide it is, and where a line may be broken."""

from __future__ import annotations

import re
import unicodedata

WIDE = frozenset("WF")  # East Asian wide and full width: two columns (UAX 11)
NO_WIDTH = frozenset({"Mn", "Me", "Cf"})  # accents and joiners are drawn on what stands before them
# A word that is too long for its line is broken after a slash, a part that still is after one of the others, else anywhere.
PARTS = (re.compile(r"[^/]*/|[^/]+"), re.compile(r"[^.:_,|-]*[.:_,|-]|[^.:_,|-]+"), re.compile(r"(?s)."))


def shown(text: str, encoding: str = "utf-8") -> str:
    """`text` in one line, fit for a terminal: what would move the cursor, or has no place in `encoding`, is escaped."""
    words = " ".join(text.split())
    visible = "".join(_visible(character) for character in words)
    return visible.encode(encoding, "backslashreplace").decode(encoding)


def width_of(text: str) -> int:
    """Terminal columns that `text` takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns (but at least one character): broken at spaces, else after / . : and the like."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(lines[-1]) + 1 + width_of(word) <= width:
            lines[-1] += f" {word}"
        elif width_of(word) <= width:
            lines.append(word)
        else:
            lines += _broken(word, width)
    return lines or [""]


def padded(text: str, width: int) -> str:
    """`text` and as many spaces as fill `width` columns."""
    return text + " " * (width - width_of(text))


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) in NO_WIDTH - {"Cf"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _width(character: str) -> int:
    if unicodedata.category(character) in NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1


def _broken(word: str, width: int, level: int = 0) -> list[str]:
    lines: list[str] = []
    for part in PARTS[level].findall(word):
        if lines and width_of(lines[-1]) + width_of(part) <= width:
            lines[-1] += part
        elif width_of(part) <= width or level == len(PARTS) - 1:
            lines.append(part)
        else:
            lines += _broken(part, width, level + 1)
    return lines
