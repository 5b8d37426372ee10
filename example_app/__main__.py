"""`python -m example_app run`: the whole shop in one terminal."""

from __future__ import annotations

import argparse
import os
import sys

from example_app.process import commands
from example_app.process.lock import sole_use
from example_app.process.settings import RunSettings, UsageError
from example_app.process.supervisor import Supervisor

_USAGE_EXIT_CODE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0 after a signal, 1 after a crash, 2 when it cannot be started as asked."""
    parser = argparse.ArgumentParser(prog="python -m example_app", description=RunSettings.__doc__)
    parser.add_argument("command", choices=["run"], help="start Redis, web server and worker")
    parser.parse_args(arguments)
    try:
        settings = RunSettings.from_environ(os.environ)
        commands.require_free(settings.port)
        with sole_use(settings.instance):
            return Supervisor(settings, os.environ).run()
    except UsageError as error:
        print(error, file=sys.stderr)
        return _USAGE_EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
