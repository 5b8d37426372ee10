"""Turns the nested messages of marshmallow and webargs into a flat list of details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

Detail: TypeAlias = dict[str, str]
# Says more about one message than its text: gets the path and the text, gives entries of the detail (`kind`, `message`).
Annotate: TypeAlias = Callable[[tuple[str, ...], str], Mapping[str, str]]

# A small body can hold hundreds of thousands of mistakes.
MAX_DETAILS = 100

# Where webargs found the input, in the words of CONTRACTS; the body is the default and not named.
BODY_LOCATIONS = frozenset({"json", "form", "files", "json_or_form"})
OTHER_LOCATIONS = {
    "query": "query",
    "querystring": "query",
    "path": "path",
    "view_args": "path",
    "headers": "headers",
    "cookies": "cookies",
}


def place_of(location: str) -> str | None:
    """The name that webargs has for a location, as the `in` of a detail; None for the body."""
    return OTHER_LOCATIONS.get(location)


def flatten(messages: Any, *, location: str | None = None, annotate: Annotate | None = None) -> list[Detail]:
    """One detail for each message: `{"items": {0: {"quantity": ["Not an integer."]}}}` has the field `items.0.quantity`.

    Messages about a whole object (`_schema`) carry the object's own path, or no field at the top.
    """
    found = list(islice(_walk(messages, ()), MAX_DETAILS + 1))
    details = [_detail(path, message, location) for path, message in found[:MAX_DETAILS]]
    if annotate is not None:
        for detail, (path, message) in zip(details, found, strict=False):
            detail.update(annotate(path, message))
    if len(found) > MAX_DETAILS:
        details.append({"message": f"Only the first {MAX_DETAILS} errors are listed."})
    return details


def flatten_by_location(messages: Any) -> list[Detail]:
    """The same for webargs, whose outermost keys are locations (`json`, `query`)."""
    if not isinstance(messages, Mapping):
        return flatten(messages)
    details: list[Detail] = []
    for key, inner in messages.items():
        if key in BODY_LOCATIONS:
            details += flatten(inner)
        elif key in OTHER_LOCATIONS and isinstance(inner, Mapping):
            details += flatten(inner, location=OTHER_LOCATIONS[key])
        else:
            details += flatten({key: inner})
    return details


def _walk(messages: Any, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _walk(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, (list, tuple)):
        for inner in messages:
            yield from _walk(inner, path)
    else:
        yield path, str(messages)


def _detail(path: tuple[str, ...], message: str, location: str | None) -> Detail:
    detail: Detail = {}
    if path:
        detail["field"] = ".".join(path)
    if location is not None:
        detail["in"] = location
    detail["message"] = message
    return detail
