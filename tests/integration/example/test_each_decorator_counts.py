"""Whoever takes away, or loosens, one declaration about callers in the shop's views changes a line of routes.txt."""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask

import example_app.views
from example_app import create_app
from flask_backend_patterns import route_table
from flask_backend_patterns.testing import assert_routes_match, routes_snapshot

from .logins import SECRET

VIEWS = Path(example_app.views.__file__).parent
SNAPSHOT = Path(__file__).parent / "routes.txt"
DECORATORS = {"require_auth", "require_role", "require_permission", "require_policy", "public"}
NOT_OF_THE_SHOP = ("auth.", "api-docs.", "static", "(backend)")


@dataclass(frozen=True)
class Change:
    """The `number`-th decorator of a module's views, to be taken away, or only its keyword."""

    module: str
    number: int
    view: str
    keyword: str | None = None

    def __str__(self) -> str:
        return f"{self.module}-{self.view}-{self.keyword or 'all'}"


def decorated(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.expr]]:
    """What is called in routes.txt (the function, or the class of a method), what is decorated, and by what."""
    for top in tree.body:
        parts = [top, *top.body] if isinstance(top, ast.ClassDef) else [top]
        for part in parts:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for decorator in part.decorator_list:
                    if name_of(decorator) in DECORATORS:
                        yield top.name, part, decorator


def name_of(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def trees() -> dict[str, ast.Module]:
    return {file.stem: ast.parse(file.read_text()) for file in sorted(VIEWS.glob("*.py"))}


def changes() -> Iterator[Change]:
    for module, tree in trees().items():
        for number, (view, _, decorator) in enumerate(decorated(tree)):
            yield Change(module, number, view)
            for keyword in getattr(decorator, "keywords", ()):
                if keyword.arg != "reason":  # which public needs
                    yield Change(module, number, view, keyword.arg)


def changed(change: Change) -> ast.Module:
    tree = trees()[change.module]
    _, part, decorator = list(decorated(tree))[change.number]
    if change.keyword is None:
        part.decorator_list.remove(decorator)
    else:
        decorator.keywords = [one for one in decorator.keywords if one.arg != change.keyword]
    return tree


@pytest.fixture
def shop_with(monkeypatch, tmp_path):
    """Make a shop in which some modules of views are made from these trees."""

    def make(**modules: ast.Module) -> Flask:
        for name, tree in modules.items():
            module = ModuleType(f"{example_app.views.__name__}.{name}")
            module.__package__ = example_app.views.__name__
            exec(compile(tree, str(VIEWS / f"{name}.py"), "exec"), vars(module))
            monkeypatch.setattr(example_app.views, name, module)
        return create_app({"SHOP_INSTANCE": tmp_path, "JWT_SECRET_KEY": SECRET, "TESTING": True})

    return make


def test_a_copy_alone_changes_nothing(shop_with):
    """Views made from their source again, unchanged, give the committed lines: what differs below is the change."""
    with_routes = {name: tree for name, tree in trees().items() if any(decorated(tree))}
    assert_routes_match(shop_with(**with_routes), SNAPSHOT)


def test_every_declaration_of_the_shop_is_tried(shop_with):
    """Each route of the shop has a decorator of its own, and none is put on in a way that is not tried here."""
    endpoints = {entry.endpoint for entry in route_table(shop_with())}
    own = {name.partition(".")[2] for name in endpoints if not name.startswith(NOT_OF_THE_SHOP)}
    assert own == {view for tree in trees().values() for view, _, _ in decorated(tree)}
    for module, tree in trees().items():
        used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in DECORATORS]
        assert len(used) == len(list(decorated(tree))), f"{module}: used otherwise than as a decorator"


@pytest.mark.parametrize("change", list(changes()), ids=str)
def test_a_declaration_less_is_a_changed_line(shop_with, change):
    """The audit shows the view, and only the view, otherwise; without the decorator it is undeclared, so refused."""
    app = shop_with(**{change.module: changed(change)})
    with pytest.raises(AssertionError, match="The routes have changed"):
        assert_routes_match(app, SNAPSHOT)
    lines = difflib.ndiff(SNAPSHOT.read_text().splitlines(), routes_snapshot(app).splitlines())
    different = [line for line in lines if line[0] in "+-"]
    assert all(re.search(rf"\.{change.view}  ", line) for line in different)
    if change.keyword is None:
        assert any("auth=UNDECLARED" in line for line in different)
