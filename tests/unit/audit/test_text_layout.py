"""Text in terminal columns: nothing is lost, nothing is wider than it may be."""

import io
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns.cli.tables import Cell, Table, terminal_width, wants_colour
from flask_backend_patterns.cli.text_layout import padded, shown, width_of, wrapped

TEXT = st.text(st.characters(), max_size=80)


def squeezed(text):
    return "".join(text.split())


@given(text=TEXT, width=st.integers(2, 60))
def test_wrapping_loses_nothing_and_fits(text, width):
    """Any text at any width: each line fits, and together they hold every character but the spaces."""
    text = shown(text)
    lines = wrapped(text, width)
    assert [line for line in lines if width_of(line) > width] == []
    assert squeezed("".join(lines)) == squeezed(text)


@given(text=TEXT)
def test_what_is_shown_cannot_move_the_cursor(text):
    """No control character, line end or half surrogate pair gets to the terminal."""
    for encoding in ("utf-8", "ascii", "latin-1"):
        line = shown(text, encoding)
        assert "\x1b" not in line
        assert len(line.splitlines()) <= 1
        assert line.encode(encoding).decode(encoding) == line


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("注文", 4), ("é", 1), ("e\u0301", 1), ("ﾊﾝ", 2), ("\uff21", 2), ("🫘", 2), ("", 0)],
)
def test_width_is_that_on_the_terminal(text, width):
    """Wide characters take two columns, accents none."""
    assert width_of(text) == width
    assert padded(text, 6) == text + " " * (6 - width)


def test_a_long_rule_is_broken_between_its_parts():
    """After a slash where there is one, so that it can be read."""
    assert wrapped("/api/orders/<int:order_id>/lines", 20) == ["/api/orders/", "<int:order_id>/lines"]


TABLES = st.integers(1, 6).flatmap(
    lambda columns: st.lists(st.lists(TEXT, min_size=columns, max_size=columns), min_size=1, max_size=5)
)


@given(rows=TABLES, width=st.integers(40, 220))
def test_no_table_is_wider_than_asked(rows, width):
    """Any cells at any width, stacked or not: no line is wider, and every text is there."""
    cells = [[Cell(shown(text)) for text in row] for row in rows]
    headers = [f"HEADER{place}" for place in range(len(rows[0]))]
    table = Table(headers=headers, rows=cells, leading=min(3, len(headers)))
    lines = [click.unstyle(line) for line in table.lines(width)]
    assert [line for line in lines if width_of(line) > width] == []
    everything = sorted(squeezed("".join(lines)))
    for row in cells:
        for cell in row:
            assert not set(squeezed(cell.text)) - set(everything)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environ", "width"),
    [
        ({"COLUMNS": "80"}, 80),
        ({"COLUMNS": "200"}, 200),
        ({"COLUMNS": "7"}, 40),
        ({"COLUMNS": "0"}, 120),
        ({"COLUMNS": "-5"}, 120),
        ({"COLUMNS": "many"}, 120),
        ({"COLUMNS": "٩٩"}, 120),
        ({"COLUMNS": "9" * 5_000}, 120),
        ({"COLUMNS": ""}, 120),
        ({}, 120),
    ],
)
def test_the_width_when_piped(environ, width, monkeypatch):
    """`COLUMNS` counts; whatever else it holds is 120."""
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal_width() == width


@pytest.mark.parametrize(
    ("stdout", "environ", "plain", "expected"),
    [
        (Terminal(), {}, False, True),
        (Terminal(), {"NO_COLOR": ""}, False, True),  # no-color.org: only when it is not empty
        (Terminal(), {"NO_COLOR": "1"}, False, False),
        (Terminal(), {"TERM": "dumb"}, False, False),
        (Terminal(), {}, True, False),
        (io.StringIO(), {}, False, False),
    ],
)
def test_colour_only_where_it_is_wanted(stdout, environ, plain, expected, monkeypatch):
    """A terminal, and nobody who said no."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert wants_colour(plain=plain) is expected
