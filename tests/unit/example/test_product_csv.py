"""Reading products out of CSV files, without a database."""

import csv

import pytest

from example_app.money import format_cents, parse_price
from example_app.services.product_csv import HeaderError, ProductRow, RejectedRow, count_rows, read_products

HEADER = "sku,name,description,price,stock\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        path = tmp_path / "products.csv"
        path.write_bytes(content if isinstance(content, bytes) else (HEADER + content).encode())
        outcomes = list(read_products(path))
        assert count_rows(path) == len(outcomes)
        return outcomes

    return write_and_read


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",n,d,1,1", "sku: not 1 to 40"),
        ("a b,n,d,1,1", "sku: not 1 to 40"),
        ("x" * 41 + ",n,d,1,1", "sku: not 1 to 40"),
        ("A,,d,1,1", "name: empty"),
        ("A," + "x" * 201 + ",d,1,1", "name: longer than 200"),
        ("A,n," + "x" * 5_001 + ",1,1", "description: longer than 5000"),
        ("A,n,d,,1", "price: not an amount"),
        ("A,n,d,-1,1", "price: not an amount"),
        ("A,n,d,1.999,1", "price: not an amount"),
        ("A,n,d,1e5,1", "price: not an amount"),
        ("A,n,d,\u0661,1", "price: not an amount"),
        ("A,n,d,nan,1", "price: not an amount"),
        ("A,n,d,1,-1", "stock: not a whole number"),
        ("A,n,d,1,1.5", "stock: not a whole number"),
        ("A,n,d,1,9999999999", "stock: not a whole number"),
        ("A,n\0,d,1,1", "name: contains a NUL"),
        ("A,n\x1b[1m,d,1,1", "name: contains a control (U+001B) character"),
        ('A,"n\nm",d,1,1', "name: contains a control (U+000A) character"),
        ("A,n,d\x07d,1,1", "description: contains a control (U+0007) character"),
        ("A,n,d,99999999.99,1", "price: not an amount"),
        ("A,n,d,1", "row: 4 columns instead of 5"),
        ("A,n,d,1,1,x", "row: 6 columns instead of 5"),
        ("A,n," + "x" * 200_000 + ",1,1", "row: a field is longer than"),
    ],
)
def test_a_bad_row_is_rejected_by_its_column(read, row, reason):
    """One reason that begins with the column; the rows around it are read."""
    good = "G1,n,d,1,1\n", "G2,n,d,1,1\n"
    first, bad, last = read(f"{good[0]}{row}\n{good[1]}")
    assert isinstance(first[1], ProductRow)
    assert bad[0] == 2
    assert isinstance(bad[1], RejectedRow)
    assert bad[1].reason.startswith(reason)
    assert last == (3, ProductRow("G2", "n", "d", 100, 1))


def test_broken_utf8_spoils_its_own_row_only(read):
    """The reason names the column, and the file goes on."""
    outcomes = read(HEADER.encode() + b"A,n,d,1,1\nB,caf\xe9,d,1,1\nC,n,d,1,1\n")
    assert [type(outcome) for _, outcome in outcomes] == [ProductRow, RejectedRow, ProductRow]
    assert outcomes[1][1].reason == "name: not valid UTF-8"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_marks_and_line_ends_do_not_matter(read, mark, end):
    """As spreadsheets write them: byte order mark, CRLF, no end on the last line, blank lines, spaces, capitals."""
    lines = [b"SKU, Name,description,price,stock", b"A,n,d,1.5,1", b"", b' B ,"n, m",d,2,1']
    assert read(mark + end.join(lines)) == [
        (1, ProductRow("A", "n", "d", 150, 1)),
        (2, ProductRow("B", "n, m", "d", 200, 1)),
    ]


def test_blank_lines_before_the_header_do_not_count(read):
    """The first line with anything in it is the header."""
    assert read(b"\n\r\n" + HEADER.encode() + b"A,n,d,1,1\n") == [(1, ProductRow("A", "n", "d", 100, 1))]


def test_semicolons_are_named(read):
    """As spreadsheets of some countries write them: told so, instead of five missing columns."""
    with pytest.raises(HeaderError, match="this file uses semicolons"):
        read(HEADER.replace(",", ";").encode())


def test_columns_may_stand_in_any_order(read):
    """The header says which is which."""
    assert read(b"stock,price,sku,description,name\n3,1,A,d,n\n") == [(1, ProductRow("A", "n", "d", 100, 3))]


def test_a_quoted_field_may_hold_lines(read):
    """It is one row."""
    assert read('A,n,"two\nlines",1,1\nB,n,d,1,1\n')[0] == (1, ProductRow("A", "n", "two\nlines", 100, 1))


def test_the_first_good_row_of_a_sku_wins(read):
    """Later ones name the row they repeat; a rejected row does not block its SKU."""
    outcomes = read("A,n,d,bad,1\nA,n,d,1,1\nA,other,d,1,1\n")
    assert [type(outcome) for _, outcome in outcomes] == [RejectedRow, ProductRow, RejectedRow]
    assert outcomes[2][1].reason == "sku: A is already in row 2"


def test_the_field_limit_is_left_alone(read):
    """`csv.field_size_limit` is the process's; reading does not change it."""
    before = csv.field_size_limit()
    read("A,n,d,1,1\n")
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "cents"), [("0", 0), ("12", 1200), ("12.5", 1250), ("0.07", 7), ("9999999.99", 999999999)]
)
def test_prices_are_exact(text, cents):
    """No floating point in between."""
    assert parse_price(text) == cents


def test_cents_are_written_for_people():
    """Below zero too."""
    assert [format_cents(cents) for cents in (0, 7, 1234, -5)] == [
        "0.00 EUR",
        "0.07 EUR",
        "12.34 EUR",
        "-0.05 EUR",
    ]
