"""`flask backend limits`."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup

from .._state import state_of
from ..errors import CacheError
from .openapi import CannotRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .protocols import Clearing

OFF = "There are no limits in this app: BACKEND_LIMITS_ENABLED is False."
NOT_SHARED = (
    "Each process of this app counts for itself, so nothing can be changed from here: set BACKEND_REDIS_URL."
)
AWAY = "Redis does not answer, and the counts are there. Try again when it is back."


def limits_group() -> AppGroup:
    """The group."""
    group = AppGroup("limits", help="What callers are limited to.")

    @group.command()
    @click.argument("callers", nargs=-1, required=True, metavar="CALLER...")
    @click.option("--name", help="Only limits of this name: rate_limit(..., name=NAME).")
    def clear(callers: tuple[str, ...], name: str | None) -> None:
        """Forget what was counted for CALLER, in all processes.

        A caller is actor:7, address:203.0.113.7, api_key:ID, header:VALUE, or function:VALUE for what a key function gave.

        Exit codes: 0 fine, 1 nothing was counted for one of them, 2 wrong usage, or no counts can be changed from here.
        """
        clearing = _clearing()
        is_any_unknown = False
        for caller in callers:
            with _told_plainly():
                count = clearing.clear(caller, name=name)
            is_any_unknown = is_any_unknown or not count
            click.echo(f"{caller}: {_told(count)}")
        if is_any_unknown:
            raise click.exceptions.Exit(1)

    @group.command()
    @click.argument("caller")
    @click.option("--name", help="Only limits of this name: rate_limit(..., name=NAME).")
    def show(caller: str, name: str | None) -> None:
        """Show where the limits stand that count CALLER just now.

        A caller is written as for `clear`. Exit codes: 0 fine, 1 nothing is counted, 2 wrong usage, or nothing can be seen.
        """
        clearing = _clearing()
        with _told_plainly():
            found = clearing.show(caller, name=name)
        if not found:
            click.echo(f"{caller}: {_told(0)}")
            raise click.exceptions.Exit(1)
        for title, rate, standing in found:
            used = rate.amount - standing.remaining
            wait = math.ceil(standing.reset_seconds)
            click.echo(
                f"{title}: {used} of {rate.amount} in {rate.window_seconds} s; all is there again in {wait} s"
            )

    return group


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except CacheError as error:
        raise CannotRunError(AWAY) from error
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'CALLER'") from error


def _told(count: int) -> str:
    if not count:
        return "nothing was counted."
    return "1 count is cleared." if count == 1 else f"{count} counts are cleared."


def _clearing() -> Clearing:
    state = state_of(current_app)
    if state is None or state.limits is None:
        raise CannotRunError(OFF)
    if state.limits.clearing is None:
        raise CannotRunError(NOT_SHARED)
    return state.limits.clearing
