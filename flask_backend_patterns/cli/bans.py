"""`flask backend bans`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from .._state import state_of
from ..errors import CacheError
from .openapi import CannotRunError
from .tables import Cell, Table, terminal_width, wants_colour
from .text_layout import shown, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .protocols import Ban, Bans

OFF = "Nothing is ever banned in this app: set BACKEND_LIMITS_BAN_AFTER or BACKEND_LIMITS_BAN_PATHS."
NOT_SHARED = (
    "Each process of this app keeps bans for itself, so none of them can be seen or changed from here: "
    "set BACKEND_REDIS_URL."
)
AWAY = "Redis does not answer, and the bans are there. Try again when it is back."
NOBODY = "No address is banned."
LONGEST_SECONDS = 2_592_000
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def bans_group() -> AppGroup:
    """The group; without a command it lists."""
    group = AppGroup("bans", help="Addresses that are banned for a while.", invoke_without_command=True)

    @group.command("list")
    @click.option("--json", "as_json", is_flag=True, help="For machines.")
    @click.option("--plain", "--no-color", "plain", is_flag=True, help="No colour, as with NO_COLOR=1.")
    def list_bans(*, as_json: bool, plain: bool) -> None:
        """List the addresses that are banned, for how long still, and why; those that stay longest first.

        Exit codes: 0 fine, 2 there are no bans to be seen from here.
        """
        _list(as_json=as_json, plain=plain)

    @group.command()
    @click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
    def lift(addresses: tuple[str, ...]) -> None:
        """Let ADDRESS in again, in all processes. An IPv6 address stands for its /64.

        Exit codes: 0 fine, 1 one of them was not banned, 2 wrong usage, or no bans can be changed from here.
        """
        bans = _bans()
        with _reported():
            lifted = [(address, bans.lift(address)) for address in addresses]
        for address, was_banned in lifted:
            click.echo(f"{address} is let in again." if was_banned else f"{address} was not banned.")
        if not all(was_banned for _, was_banned in lifted):
            raise click.exceptions.Exit(1)

    @group.command()
    @click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
    @click.option("--seconds", type=click.IntRange(1, LONGEST_SECONDS), help="For how long; default: BACKEND_LIMITS_BAN_SECONDS.")  # fmt: skip
    def add(addresses: tuple[str, ...], seconds: int | None) -> None:
        """Ban ADDRESS in all processes; a ban that lasts longer stays. An IPv6 address stands for its /64.

        Exit codes: 0 fine, 2 wrong usage, an exempt address, or no bans can be changed from here.
        """
        bans = _bans()
        for address in addresses:
            with _reported():
                ban = bans.add(address, seconds=seconds)
            click.echo(f"{ban.network} is banned for {_duration(ban.seconds)}.")

    def list_unless_asked_for_more(*, as_json: bool) -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is None:
            _list(as_json=as_json, plain=False)

    group.callback = with_appcontext(list_unless_asked_for_more)
    group.params.append(click.Option(["--json", "as_json"], is_flag=True, help="For machines."))
    return group


def _bans() -> Bans:
    state = state_of(current_app)
    banning = None if state is None or state.limits is None else state.limits.banning
    if banning is None:
        raise CannotRunError(OFF)
    if not banning.bans.is_shared:
        raise CannotRunError(NOT_SHARED)
    return banning.bans


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except CacheError as error:
        raise CannotRunError(AWAY) from error
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'ADDRESS'") from error


def _list(*, as_json: bool, plain: bool) -> None:
    with _reported():
        bans = _bans().listed()
    if as_json:
        rows = [{"address": ban.network, "seconds": round(ban.seconds), "reason": ban.reason} for ban in bans]
        click.echo(json.dumps({"bans": rows}, indent=2))
        return
    width = terminal_width()
    lines = [*_table(bans).lines(width), "", _summary(bans)] if bans else wrapped(NOBODY, width)
    text = "\n".join(lines)
    click.echo(text if wants_colour(plain=plain) else click.unstyle(text), color=True)


def _table(bans: Sequence[Ban]) -> Table:
    encoding = sys.stdout.encoding or "utf-8"
    return Table(
        headers=["ADDRESS", "STILL", "REASON"],
        rows=[
            [
                Cell(shown(ban.network, encoding)),
                Cell(_duration(ban.seconds)),
                Cell(shown(ban.reason, encoding)),
            ]
            for ban in bans
        ],
        leading=2,
    )


def _summary(bans: Sequence[Ban]) -> str:
    return "1 address is banned." if len(bans) == 1 else f"{len(bans)} addresses are banned."


def _duration(seconds: float) -> str:
    """`45 s`, `10 min`, `2 h 5 min`: the two largest units."""
    left, parts = max(1, round(seconds)), []
    for size, unit in UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    if left:
        parts.append(f"{left} s")
    return " ".join(parts[:2])
