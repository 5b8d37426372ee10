"""Exceptions that an event carries."""

import json

import pytest
from sqlalchemy.exc import OperationalError

from flask_backend_patterns.observability.direct_lines import write_directly
from flask_backend_patterns.observability.events import LOGGER_NAME, LoggingEventLog
from flask_backend_patterns.observability.handler import BackendHandler
from flask_backend_patterns.observability.logs import BackendFormatter
from flask_backend_patterns.observability.masking import Masker


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_the_stack_of_an_exception_is_told_without_sql_parameters(level, capsys):
    """At every level: a value of a failed statement is nobody's to read in a log."""
    masker = Masker()
    log = LoggingEventLog(masker, f"{LOGGER_NAME}.test_events", write_directly=write_directly)
    logger = log._logger
    logger.propagate = False
    logger.handlers = [BackendHandler(BackendFormatter(masker, is_console=False), delay_seconds=0)]
    logger.setLevel("INFO")
    fault = OperationalError("SELECT :secret", {"secret": "hunter2"}, Exception("away"))
    getattr(log, level)("load_failed", name="item", exc_info=fault)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["name"]) == ("load_failed", level, "item")
    assert line["exception"] == "sqlalchemy.exc.OperationalError"
    assert "SELECT :secret" in line["stack"]
    assert "hunter2" not in json.dumps(line)
