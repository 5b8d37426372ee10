"""Logs a user in whose identity has been proven: with the kind of login that the app has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..login.delivery import Delivery, default_delivery, deliveries, log_in
from .answers import browser_answer, unstored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flask import Response

    from ..protocols import User


def finish_login(
    user: User,
    *,
    return_path: str,
    as_json: bool,
    json_answer: Callable[[Mapping[str, Any]], Response],
) -> Response:
    """Begin a session: browsers get cookies and go to `return_path`, other clients get tokens in JSON.

    An app that takes tokens in headers only answers browsers with JSON too: a redirect would lose the tokens. Raises
    `SetupError` without Redis or a signing key, `CacheError` when Redis is away.
    """
    possible = deliveries()
    wanted = [item for item in possible if (item is Delivery.BODY) is as_json]
    login = log_in(user, delivery=wanted[0] if wanted else default_delivery(cookies=None))
    in_body = as_json or Delivery(login.body["delivery"]) is Delivery.BODY
    return login.attach(unstored(json_answer(login.body)) if in_body else browser_answer(return_path))
