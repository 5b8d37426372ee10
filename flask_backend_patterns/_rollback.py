"""Takes back what a failed `init_app` did to an app.

What Flask registers lives in containers on the app (`extensions`, `config`, `before_request_funcs`, ...). Their
contents are copied before, and put back into the same objects after. Routes cannot be taken back; `init_app` adds none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

MAX_DEPTH = 4  # error_handler_spec: blueprint -> status -> class -> handler


@contextmanager
def restored_on_failure(app: Flask) -> Iterator[ExitStack]:
    """Restore `app` when the block raises; callbacks pushed on the stack take back what is not kept on the app."""
    before = dict(vars(app))
    contents = {key: _copy(value, MAX_DEPTH) for key, value in before.items()}
    commands = dict(app.cli.commands)
    with ExitStack() as undo:
        try:
            yield undo
        except BaseException:
            vars(app).clear()
            vars(app).update(before)
            for key, value in before.items():
                _restore(value, contents[key])
            app.cli.commands.clear()
            app.cli.commands.update(commands)
            raise
        undo.pop_all()


def _copy(value: Any, depth: int) -> Any:
    if not depth:
        return None
    if isinstance(value, dict):
        return {key: (item, _copy(item, depth - 1)) for key, item in value.items()}
    if isinstance(value, list):
        return list(value)
    if isinstance(value, set):
        return set(value)
    return None


def _restore(value: Any, content: Any) -> None:
    if content is None:
        return
    if isinstance(value, dict):
        value.clear()
        for key, (item, inner) in content.items():
            value[key] = item
            _restore(item, inner)
    elif isinstance(value, list):
        value[:] = content
    elif isinstance(value, set):
        value.clear()
        value.update(content)
