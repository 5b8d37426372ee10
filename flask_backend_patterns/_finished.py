"""Values of views as responses, for enforcers that look at responses."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from flask import current_app
from werkzeug.wrappers import Response as BaseResponse

from ._config import SetupError

if TYPE_CHECKING:
    from flask import Response

# Whether a view is being called whose value has still to be made a response (`@blp.response`).
responding: ContextVar[bool] = ContextVar("responding", default=False)


def finished(value: Any, decorator: str) -> Response:
    """`value`, which a view further in has returned, as a response; for what looks at responses.

    Raises `SetupError` inside `@blp.response`: the value has still to be dumped there.
    """
    if isinstance(value, BaseResponse):  # also of a view that another view calls
        return cast("Response", value)
    if responding.get():
        raise SetupError(
            f"@{decorator} stands below @blp.response, with a decorator that is not ours in between; "
            f"put @{decorator} above both."
        )
    return current_app.make_response(value)
