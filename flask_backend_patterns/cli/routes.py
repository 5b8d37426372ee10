"""`flask backend routes`: who may call what."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import with_appcontext

from .._config import SetupError
from .route_rows import (
    ASKED_FOR,
    RULE,
    SORTS,
    RouteFilter,
    columns_in,
    sorted_routes,
    summary,
    summary_line,
    table_of,
)
from .tables import terminal_width, wants_colour
from .text_layout import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flask import Flask

    from .protocols import AuditedRoute, RouteAudit, RouteFinding

NO_SUCH_ROUTE = "No route is like that; leave a filter out, or see them all with: flask backend routes"


def one_of(
    *known: str, upper: bool = False
) -> Callable[[click.Context, click.Parameter, Any], tuple[str, ...]]:
    """A callback that reads an option given several times, or with commas; a usage error lists what is `known`."""

    def read(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
        names = []
        for value in given:
            parts = [part.strip() for part in value.split(",") if part.strip()]
            if not parts:
                raise click.BadParameter(f"{value!r} names nothing.", ctx, param)
            names += [part.upper() if upper else part for part in parts]
        for name in names:
            if known and name not in known:
                raise click.BadParameter(f"{name!r} is not known. It may be: {', '.join(known)}.", ctx, param)
        return tuple(dict.fromkeys(names))

    return read


def routes_command(audit: RouteAudit) -> click.Command:
    """The command, which reads the routes through `audit`."""
    conditions = one_of(*audit.conditions)
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in audit.conditions.items())

    @click.command("routes", epilog=f"--fail-on takes {meanings}.")
    @click.argument("words", nargs=-1, metavar="[FILTER]...")
    @click.option("--method", "methods", multiple=True, callback=one_of(upper=True), metavar="GET", help="Only these methods.")  # fmt: skip
    @click.option("--permission", "permissions", multiple=True, callback=one_of(), metavar="GLOB", help="Only routes that need such a permission: 'orders:*'.")  # fmt: skip
    @click.option("--role", "roles", multiple=True, callback=one_of(), metavar="GLOB", help="Only routes that name such a role.")  # fmt: skip
    @click.option("--can", "can", multiple=True, callback=one_of(), metavar="ROLE", help="Only routes that somebody with this role may call, their own things counted; with several, somebody who has them all.")  # fmt: skip
    @click.option("--endpoint", "endpoints", multiple=True, callback=one_of(), metavar="GLOB", help="Only these endpoints: 'orders.*'.")  # fmt: skip
    @click.option("--undeclared", is_flag=True, help="Only routes of which nothing says who may call them.")
    @click.option("--sort", type=click.Choice(SORTS), default=RULE, show_default=True, help="The order.")
    @click.option("--columns", multiple=True, callback=one_of(), metavar="NAME", help="Show these beside method and rule; default: all that hold something, and documented only in the note.")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="For machines: every column of every route, in a stable order.")  # fmt: skip
    @click.option("--fail-on", "fail_on", multiple=True, callback=conditions, metavar="NAME", help="Exit code 1 if a route shown is like this; see below.")  # fmt: skip
    @click.option("--plain", "--no-color", "plain", is_flag=True, help="No colour, as with NO_COLOR=1.")
    @with_appcontext
    def routes(  # noqa: PLR0913 - one for each option
        *,
        words: tuple[str, ...],
        methods: tuple[str, ...],
        permissions: tuple[str, ...],
        roles: tuple[str, ...],
        can: tuple[str, ...],
        endpoints: tuple[str, ...],
        undeclared: bool,
        sort: str,
        columns: tuple[str, ...],
        as_json: bool,
        fail_on: tuple[str, ...],
        plain: bool,
    ) -> None:
        """List every route and method with who may call it and what else is declared on it.

        FILTER is part of a rule or an endpoint, or a glob for all of one; of several, all have to fit. Names may be
        given several times or with commas between.

        Exit codes: 0 fine, 1 --fail-on found something, 2 wrong usage, or --fail-on had no route to look at.
        """
        wanted = RouteFilter(
            words=words,
            methods=methods,
            permissions=permissions,
            roles=roles,
            endpoints=endpoints,
            undeclared=undeclared,
        )
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        table = audit.table(app)
        chosen_columns = _chosen_columns(table, columns)
        chosen = sorted_routes(_callable_by(audit, app, filter(wanted.passes, table), can), sort)
        findings = _findings(audit, app, chosen, fail_on)
        if as_json:
            _print_json(chosen, findings)
        else:
            _print_table(chosen, chosen_columns, total=len(table), plain=plain, are_asked_for=bool(columns))
        _judge(chosen, findings, is_asked=bool(fail_on), undeclared=undeclared)

    return routes


def _callable_by(
    audit: RouteAudit, app: Flask, routes: Iterable[AuditedRoute], roles: tuple[str, ...]
) -> Iterable[AuditedRoute]:
    with _as_usage_error("--can"):
        return audit.callable_by(app, routes, roles) if roles else routes


def _findings(
    audit: RouteAudit, app: Flask, routes: Iterable[AuditedRoute], names: tuple[str, ...]
) -> Sequence[RouteFinding]:
    with _as_usage_error("--fail-on"):
        return audit.findings(app, routes, names)


@contextmanager
def _as_usage_error(option: str) -> Iterator[None]:
    """What this app cannot be asked is wrong usage, and not a finding."""
    try:
        yield
    except SetupError as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error


def _chosen_columns(table: Sequence[AuditedRoute], asked: tuple[str, ...]) -> Sequence[str]:
    known = columns_in(table)
    unknown = [column for column in asked if column not in known]
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is not a column. It may be: {', '.join(known)}.", param_hint="'--columns'"
        )
    return asked or [column for column in known if column not in ASKED_FOR]


def _print_json(routes: Sequence[AuditedRoute], findings: Sequence[RouteFinding]) -> None:
    document = {
        "summary": summary(routes),
        "routes": [route.as_dict() for route in routes],
        "findings": [finding.as_dict() for finding in findings],
    }
    click.echo(json.dumps(document, indent=2))


def _print_table(
    routes: Sequence[AuditedRoute], columns: Sequence[str], *, total: int, plain: bool, are_asked_for: bool
) -> None:
    encoding, width = sys.stdout.encoding or "utf-8", terminal_width()
    if routes:
        lines = [*table_of(routes, columns, encoding, are_asked_for=are_asked_for).lines(width), ""]
        lines += wrapped(summary_line(routes, total), width)
    else:
        lines = wrapped(NO_SUCH_ROUTE if total else "This app has no routes.", width)
    text = "\n".join(lines)
    click.echo(text if wants_colour(plain=plain) else click.unstyle(text), color=True)


def _judge(
    routes: Sequence[AuditedRoute], findings: Sequence[RouteFinding], *, is_asked: bool, undeclared: bool
) -> None:
    """Exit 1 with the findings; a filter that leaves nothing to look at must not pass for a clean app."""
    if is_asked and not routes and not undeclared:
        raise click.UsageError("The filters leave no route, so --fail-on has nothing to look at.")
    if not findings:
        return
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    click.echo("\n".join((f"{count}:", *(f"  {finding}" for finding in findings))), err=True)
    raise click.exceptions.Exit(1)
