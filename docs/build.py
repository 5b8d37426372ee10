"""`make docs`: writes docs/settings.md from the settings dataclasses, so that the table cannot differ from the code."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_backend_patterns.settings import Settings

if TYPE_CHECKING:
    from dataclasses import Field

TARGET = Path(__file__).parent / "settings.md"
HEAD = """\
# Settings

Read once by `init_app` from `app.config`, so `app.config.from_prefixed_env()` works: `FLASK_BACKEND_REDIS_URL=...`.
Lists may be strings with commas, functions may be `package.module:function`. Everything wrong is told in one error; an
unknown `BACKEND_` key is an error with the nearest known name.

This page is written by `make docs`.
"""


def page() -> str:
    """The whole page: one table a feature."""
    parts = [HEAD]
    for name, group in Settings.groups().items():
        parts.append(f"\n## {name}\n\n{inspect.cleandoc(group.__doc__ or '')}\n\n")
        parts.append("| key | default | allowed | meaning |\n|---|---|---|---|\n")
        parts.extend(row(key, field) for key, field in group.config_keys().items())
    return "".join(parts)


def row(key: str, field: Field[Any]) -> str:
    """One line of the table."""
    return f"| `{key}` | `{shown(field.default)}` | {allowed(field.metadata)} | {field.metadata['doc']} |\n"


def shown(default: object) -> object:
    """Tuples as the lists that users write."""
    return list(default) if isinstance(default, tuple) else repr(default)


def allowed(rules: Any) -> str:
    """Bounds or choices."""
    if rules["choices"] is not None:
        return ", ".join(f"`{choice}`" for choice in rules["choices"])
    low, high = rules["minimum"], rules["maximum"]
    bounds = [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    return ", ".join(bounds)


if __name__ == "__main__":
    TARGET.write_text(page())
    sys.stdout.write(f"wrote {TARGET.name}\n")
