"""Each promise about what goes wrong when the packages are wired by hand has a test that names it."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# What PITFALLS calls them: errors, Redis away, caching, limits, tokens. Later features add theirs.
PROMISES = [f"{letter}{number}" for letter, last in (("E", 7), ("R", 10), ("C", 8), ("L", 5), ("T", 4)) for number in range(1, last + 1)]  # fmt: skip


@cache
def promised() -> set[str]:
    """The words of the docstrings of all tests, and of the modules that hold them."""
    words: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        if file == Path(__file__):
            continue
        tree = ast.parse(file.read_text())
        tests = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        for node in (tree, *tests):
            words |= {word.strip("()[].,:;'") for word in (ast.get_docstring(node) or "").split()}
    return words


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_named_by_a_test(promise):
    """Who looks for the test of a promise finds it by its name."""
    assert promise in promised()
