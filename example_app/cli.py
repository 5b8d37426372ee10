"""`flask --app example_app shop ...`."""

from __future__ import annotations

import sys
import time

import click
from flask import current_app
from flask.cli import AppGroup
from flask_migrate import upgrade

from example_app.seeding.story import Sizes
from example_app.seeding.writing import is_empty
from example_app.seeding.writing import seed as write_seed
from example_app.services.confirmations import resend_missing
from example_app.services.product_imports import resume_unfinished

shop_commands = AppGroup("shop", help="Demo data, and work that was left undone.")


def _config(name: str) -> int:
    return int(current_app.config[name])


@shop_commands.command()
@click.option("--users", type=click.IntRange(min=4), help="Default: SHOP_SEED_USERS or 1,000.")
@click.option("--products", type=click.IntRange(min=1), help="Default: SHOP_SEED_PRODUCTS or 10,000.")
@click.option("--orders", type=click.IntRange(min=0), help="Default: SHOP_SEED_ORDERS or 20,000.")
def seed(users: int | None, products: int | None, orders: int | None) -> None:
    """Fill an empty shop with demo data; always the same."""
    if not is_empty():
        click.echo("The shop has data already; nothing was changed.")
        return
    sizes = Sizes(
        users=users or _config("SHOP_SEED_USERS"),
        products=products or _config("SHOP_SEED_PRODUCTS"),
        orders=_config("SHOP_SEED_ORDERS") if orders is None else orders,
    )
    started = time.perf_counter()
    write_seed(sizes)
    seconds = time.perf_counter() - started
    click.echo(
        f"Seeded {sizes.users:,} users, {sizes.products:,} products and {sizes.orders:,} orders "
        f"in {seconds:.1f} s."
    )


@shop_commands.command()
@click.pass_context
def prepare(context: click.Context) -> None:
    """Bring the database up to date, and seed it if it is empty."""
    upgrade()
    if is_empty():
        click.echo("First start: making up the demo data ...")
        context.invoke(seed)


@shop_commands.command("resend-confirmations")
@click.option(
    "--older-than-seconds",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    help="Leave younger orders alone: their mail is most likely on its way.",
)
def resend_confirmations(older_than_seconds: float) -> None:
    """Enqueue the confirmation of orders that have none, for example after Redis was down."""
    enqueued, left = resend_missing(older_than_seconds=older_than_seconds)
    click.echo(f"{enqueued} enqueued.")
    if left:
        click.echo(f"Redis does not answer: {left} still without a confirmation.", err=True)
        sys.exit(1)


@shop_commands.command("resume-imports")
def resume_imports() -> None:
    """Enqueue imports that have not come to an end, for example after a worker was killed."""
    click.echo(f"{resume_unfinished()} enqueued.")
