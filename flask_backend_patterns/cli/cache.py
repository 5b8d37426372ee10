"""`flask backend cache`: what is kept, and forgetting it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from .._config import SetupError
from .._state import state_of
from ..errors import CacheError
from .openapi import CannotRunError
from .text_layout import padded, shown, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


REQUESTS: Final = "backend_cache_requests_total"
AWAY: Final = "The store does not answer, so nothing was {}. Try again when it is back."
BYTES: Final = 1024
UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


def cache_group() -> AppGroup:
    """The group."""
    group = AppGroup("cache", help="Cached values and responses.")
    group.add_command(_stats_command())
    group.add_command(_invalidate_command())
    return group


def _stats_command() -> click.Command:
    @click.command()
    @click.option("--json", "as_json", is_flag=True, help="For machines.")
    @with_appcontext
    def stats(*, as_json: bool) -> None:
        """Show the store: what it is, how many values it has, how much of its room they take.

        And what calls have come to, by name, where BACKEND_OBSERVABILITY_METRICS_PATH is set: those of all servers on this
        machine that have the same PROMETHEUS_MULTIPROC_DIR as this command. Else the servers' metric
        backend_cache_requests_total says it.

        Exit codes: 0 fine, 1 the store does not answer, 2 there is no store that a command could see.
        """
        engine = _engine()
        try:
            facts = dict(engine.store.stats())
        except CacheError as error:
            raise click.ClickException(AWAY.format("counted")) from error
        settings = engine.settings
        near = {"max_entries": settings.near_entries, "max_bytes": settings.near_bytes, "seconds": settings.near_seconds}  # fmt: skip
        results = _results()
        hits = sum(counts.get("near", 0) for counts in results.values())
        if results:
            near["hits"] = hits
        if as_json:
            said = {"store": facts, "near": near, "requests": results}
            click.echo(json.dumps(said, indent=2, default=str))
            return
        rows = [(name.replace("_", " "), _text(name, value)) for name, value in facts.items()]
        rows += [(f"near {name.replace('_', ' ')}", _text(name, value)) for name, value in near.items()]
        rows += [
            (f"calls of {shown(name)}", ", ".join(f"{result} {count:,}" for result, count in counts.items()))
            for name, counts in results.items()
        ]
        click.echo("\n".join(_lines([row for row in rows if row[1]])))

    return stats


def _invalidate_command() -> click.Command:
    @click.command()
    @click.option("--tag", "tags", multiple=True, metavar="TAG", help="Forget what has this tag; may be given several times.")  # fmt: skip
    @click.option("--key", "keys", multiple=True, metavar="KEY", help="Forget this key; may be given several times.")  # fmt: skip
    @click.option("--prefix", metavar="TEXT", help="Forget the keys that begin like this; those of a view with 'view:<endpoint>:'.")  # fmt: skip
    @click.option("--everything", is_flag=True, help="Forget all values of this app; limits, sessions and queues stay.")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="For machines.")
    @with_appcontext
    def invalidate(
        *, tags: tuple[str, ...], keys: tuple[str, ...], prefix: str | None, everything: bool, as_json: bool
    ) -> None:
        """Forget cached values and responses, in the store and in every process.

        Exit codes: 0 done, 1 the store does not answer, 2 wrong usage, or there is no store that a command could reach.
        """
        asked = bool(tags or keys or prefix is not None)
        if asked == everything:
            raise click.UsageError("Say what to forget: --tag, --key or --prefix; or --everything alone.")
        if not all((*tags, *keys)) or prefix == "":
            raise click.UsageError(
                "An empty tag, key or prefix names nothing; for all there is --everything."
            )
        engine = _engine()
        try:
            if everything:
                engine.invalidate_everything()
                found = 0
            else:
                found = engine.invalidate(tags=tags, keys=keys, prefix=prefix)
        except SetupError as error:
            raise CannotRunError(str(error)) from error
        if not engine.unsent.is_empty:  # this process ends now, and could not send it later
            raise click.ClickException(AWAY.format("forgotten"))
        said = {"tags": list(tags), "keys": list(keys), "prefix": prefix, "everything": everything}
        counted = found if keys or prefix is not None else None  # of values by tag nobody keeps a list
        if as_json:
            click.echo(json.dumps({"invalidated": said, "values_found": counted}, indent=2))
        elif counted is None:
            click.echo(_sentence(said))
        else:
            click.echo(f"{_sentence(said)} The store had {counted:,} of these keys.")

    return invalidate


def _engine() -> Any:
    """The engine of the app, whose store other processes use too; `CannotRunError` where there is none."""
    state = state_of(current_app)
    engine = None if state is None else state.cache.aside
    if engine is None:
        raise CannotRunError("The cache of this app is switched off (BACKEND_CACHE_ENABLED).")
    try:
        name, is_shared = str(engine.store.name), engine.store.is_shared
    except SetupError as error:
        raise CannotRunError(str(error)) from error
    except CacheError as error:
        raise click.ClickException(AWAY.format("done")) from error
    if not is_shared:
        raise CannotRunError(
            f"This app keeps values in the memory of each process ({name}), which no command can see. "
            "Set BACKEND_REDIS_URL for a store that all share, or restart the servers to forget them."
        )
    return engine


def _results() -> dict[str, dict[str, int]]:
    """What calls have come to, by name, as the metric says it; nothing where there is none."""
    state = state_of(current_app)
    metrics = None if state is None or state.observability is None else state.observability.metrics
    if metrics is None:
        return {}
    from prometheus_client.parser import text_string_to_metric_families  # here: it is optional

    found: dict[str, dict[str, int]] = {}
    for family in text_string_to_metric_families(metrics.exposition("")[0].decode()):
        for sample in family.samples:
            if sample.name == REQUESTS and sample.value:
                found.setdefault(sample.labels["name"], {})[sample.labels["result"]] = int(sample.value)
    return dict(sorted(found.items()))


def _sentence(said: Mapping[str, Any]) -> str:
    if said["everything"]:
        return "Forgot every cached value of this app."
    parts = [f"tag {shown(tag)}" for tag in said["tags"]] + [f"key {shown(key)}" for key in said["keys"]]
    if said["prefix"] is not None:
        parts.append(f"keys that begin with {shown(said['prefix'])}")
    return f"Forgot {', '.join(parts)}."


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if "bytes" in name and isinstance(value, int):
        return _size(value)
    return f"{value:,}" if isinstance(value, int) else shown(str(value))


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= BYTES and unit < len(UNITS) - 1:
        size, unit = size / BYTES, unit + 1
    return f"{count:,} bytes" if unit == 0 else f"{size:,.1f} {UNITS[unit]}"


def _lines(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(width_of(name) for name, _ in rows)
    return [f"{padded(name, width)}  {text}" for name, text in rows]
