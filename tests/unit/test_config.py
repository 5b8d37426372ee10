"""Reading settings: types, bounds, choices, secrets, unknown keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from flask_backend_patterns import ConfigError
from flask_backend_patterns._config import SettingsGroup, setting
from flask_backend_patterns.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Sample(SettingsGroup):
    PREFIX: ClassVar[str] = "BACKEND_SAMPLE_"

    flag: bool = setting(default=False, doc="d")
    count: int = setting(3, minimum=0, maximum=10, doc="d")
    ratio: float = setting(0.5, minimum=0, doc="d")
    word: str = setting("a", choices=("a", "b"), doc="d")
    text: str | None = setting("x", doc="d")
    names: tuple[str, ...] = setting(("n",), doc="d")
    function: Callable[..., Any] | None = setting(None, doc="d")
    password: str | None = setting(None, secret=True, doc="d")
    limit: int | None = setting(None, minimum=1, doc="d")


GOOD = [
    ("flag", True, True), ("flag", "true", True), ("flag", "Off", False), ("flag", 0, False), ("flag", 1, True),
    ("count", 0, 0), ("count", "7", 7), ("count", 10, 10),
    ("ratio", 2, 2.0), ("ratio", "0.25", 0.25),
    ("word", "b", "b"),
    ("text", None, None), ("text", "", ""), ("text", 12345678901, "12345678901"),
    ("names", [], ()), ("names", "a, b,", ("a", "b")), ("names", ("q",), ("q",)), ("names", "", ()),
    ("function", len, len), ("function", "builtins:len", len), ("function", None, None),
    ("limit", None, None), ("limit", "4", 4),
]  # fmt: skip
BAD = [
    ("flag", "maybe", "expected True or False"), ("flag", 2, "expected True or False"), ("flag", None, "expected True"),
    ("count", -1, "at least 0"), ("count", 11, "at most 10"), ("count", 1.5, "a whole number"),
    ("count", True, "a whole number"), ("count", "x", "a whole number"), ("count", None, "a whole number"),
    ("ratio", float("nan"), "at least 0"), ("ratio", "fast", "a number"), ("ratio", [], "a number"),
    ("word", "c", "one of 'a', 'b'"), ("word", None, "a string"), ("word", 1.5, "a string"),
    ("text", "a\nb", "without control characters"), ("text", True, "a string"),
    ("names", ["a\r\nb"], "without control characters"), ("function", ".x:f", "can be imported"),
    ("names", [1], "a list of strings"), ("names", 5, "a list of strings"),
    ("function", "nowhere:f", "can be imported"), ("function", "builtins:nothing", "can be imported"),
    ("function", 5, "a function"), ("function", "plain", "can be imported"),
    ("limit", 0, "at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_values_are_converted(name, value, expected):
    """Python values and the strings of environment variables alike; 0, empty and None are values."""
    problems: list[str] = []
    sample = Sample.from_config({f"BACKEND_SAMPLE_{name.upper()}": value}, problems)
    assert problems == []
    assert getattr(sample, name) == expected
    assert type(getattr(sample, name)) is type(expected)


@pytest.mark.parametrize(("name", "value", "expectation"), BAD)
def test_wrong_values_name_key_value_and_expectation(name, value, expectation):
    """The sentence has all one needs to mend it."""
    problems: list[str] = []
    Sample.from_config({f"BACKEND_SAMPLE_{name.upper()}": value}, problems)
    (problem,) = problems
    assert problem.startswith(f"BACKEND_SAMPLE_{name.upper()} is {value!r}; expected ")
    assert expectation in problem


def test_a_secret_is_in_no_message_and_no_repr():
    """Neither a wrong secret nor a right one is shown."""
    problems: list[str] = []
    Sample.from_config({"BACKEND_SAMPLE_PASSWORD": ["hunter2"]}, problems)
    assert "hunter2" not in problems[0]
    sample = Sample.from_config({"BACKEND_SAMPLE_PASSWORD": "hunter2"}, [])
    assert sample.password == "hunter2"
    assert "hunter2" not in repr(sample)


def test_defaults_are_within_their_own_bounds():
    """Every default of every feature would be accepted if it were written down."""
    for group in Settings.groups().values():
        defaults = group()
        config = {key: getattr(defaults, field.name) for key, field in group.config_keys().items()}
        problems: list[str] = []
        assert group.from_config(config, problems) == defaults
        assert problems == []


def test_every_setting_has_a_prefix_of_its_feature_and_a_sentence():
    """Keys are `BACKEND_<FEATURE>_<NAME>`; the table in docs is made from these sentences."""
    for name, group in Settings.groups().items():
        assert f"BACKEND_{name.upper()}_" == group.PREFIX
        for field in group.config_keys().values():
            assert field.metadata["doc"].endswith("."), field.name


def test_other_peoples_keys_are_none_of_our_business():
    """Only `BACKEND_` keys are looked at; a typo in one is told with the nearest name."""
    Settings.from_config({"SECRET_KEY": "x", "backend_x": 1, "SQLALCHEMY_ECHO": True})
    with pytest.raises(ConfigError, match="did you mean BACKEND_REDIS_URL"):
        Settings.from_config({"BACKEND_REDIS_URI": "redis://"})
