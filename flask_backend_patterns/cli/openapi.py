"""`flask backend openapi`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup

from .._config import SetupError
from .differences import Differences

if TYPE_CHECKING:
    from .protocols import ExportDocument

YAML_SUFFIXES = (".yaml", ".yml")


class CannotRunError(click.ClickException):
    """The app, the machine or the command line is not ready for this; exit code 2."""

    exit_code = 2


def openapi_group(export_document: ExportDocument) -> AppGroup:
    """The group, whose commands get the document from `export_document`."""
    group = AppGroup("openapi", help="The OpenAPI document.")

    @group.command()
    @click.option("--output", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), help="Write here; default: print.")  # fmt: skip
    @click.option("--check", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write nothing; exit code 1 if FILE is out of date.")  # fmt: skip
    @click.option("--format", "document_format", type=click.Choice(["json", "yaml"]), help="Default: by the name of FILE, else json.")  # fmt: skip
    @click.option("--api", "api_prefix", metavar="PREFIX", help="The config prefix of the API, in an app that has several.")  # fmt: skip
    def export(
        output: Path | None, check: Path | None, document_format: str | None, api_prefix: str | None
    ) -> None:
        """Write the OpenAPI document of this app.

        The same app gives the same bytes, so the file can be kept in the repository and held against the app by --check in CI.

        Exit codes: 0 fine, 1 FILE of --check is out of date, 2 there is no document, or FILE cannot be read or written.
        """
        if output is not None and check is not None:
            raise click.UsageError("Give either --output or --check.")
        chosen = document_format or _format_of(output or check)
        try:
            document = export_document(current_app, document_format=chosen, api_prefix=api_prefix)
        except SetupError as error:
            raise CannotRunError(str(error)) from error
        if check is not None:
            _check(check, document)
        else:
            _write(output, document)

    return group


def _format_of(path: Path | None) -> str:
    return "yaml" if path is not None and path.suffix.lower() in YAML_SUFFIXES else "json"


def _write(output: Path | None, document: bytes) -> None:
    if output is None or str(output) == "-":
        click.echo(document, nl=False)
        return
    try:
        output.write_bytes(document)
    except OSError as error:
        raise CannotRunError(f"{output} cannot be written: {error.strerror}.") from error
    click.echo(f"Wrote {output}.", err=True)


def _check(path: Path, document: bytes) -> None:
    remedy = f"Write it again with: flask backend openapi export --output {path}"
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        raise click.ClickException(f"{path} does not exist. {remedy}") from None
    except OSError as error:
        raise CannotRunError(f"{path} cannot be read: {error.strerror}.") from error
    differences = Differences.between(present, document)
    if differences is not None:
        raise click.ClickException(f"{path} is out of date: {differences}\n{remedy}")
    click.echo(f"{path} is up to date.", err=True)
