"""A value counts only under the tags it was loaded with, near, in the store, and while it is being loaded."""

import threading
import time

import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from flask_backend_patterns import (
    BackendPatterns,
    SetupError,
    cached,
    get_many_or_load,
    get_or_load,
    invalidate,
    invalidate_after_commit,
)
from flask_backend_patterns.testing import clear_cache


@cached(key="page:{number}", tags=["pages", "page:{number}"])
def page(number):
    return {"number": number}


def test_what_is_kept_near_under_other_tags_is_a_miss(cache_app):
    """Who asks with tags never gets a value that their invalidation would not have reached."""
    found = iter(["without", "with", "after"])
    assert get_many_or_load(["k"], lambda keys: {"k": next(found)}) == {"k": "without"}
    assert get_or_load("k", lambda: next(found), tags=["t"]) == "with"
    assert get_or_load("k", pytest.fail, tags=["t"]) == "with"
    invalidate(tags=["t"])
    assert get_or_load("k", lambda: next(found), tags=["t"]) == "after"


def test_a_decorated_function_does_not_take_what_was_kept_by_its_key_alone(cache_app):
    """As above, by `@cached`, whose tags are made of the arguments."""
    get_many_or_load([page.key(5)], lambda keys: {keys[0]: {"number": "old"}})
    assert page(5) == {"number": 5}
    kept = get_many_or_load([page.key(5)], pytest.fail, tags=["pages", "page:5"])
    assert kept == {page.key(5): {"number": 5}}


def test_nobody_waits_for_a_load_under_other_tags(cache_app, in_threads):
    """An invalidation of a tag stops no load that does not have it, so its value is for others than the tag's readers."""
    is_loading, go_on, results = threading.Event(), threading.Event(), []

    def old():
        is_loading.set()
        go_on.wait(60)
        return "old"

    first = threading.Thread(target=lambda: results.extend(in_threads(lambda: get_or_load("k", old), 1)))
    first.start()
    assert is_loading.wait(60)
    invalidate(tags=["t"])
    begun = time.monotonic()
    assert in_threads(lambda: get_or_load("k", lambda: "new", tags=["t"]), 1) == ["new"]
    assert time.monotonic() - begun < 9  # as long as anybody waits for another's load: 10 s
    go_on.set()
    first.join(60)
    assert results == ["old"]


@pytest.mark.parametrize("tag", ["*", "**", "*a"])
def test_no_tag_of_an_app_means_everything(cache_app, tag):
    """Tags may be made of what strangers send; each has its own values all the same."""

    @cached(key="named:{name}", tags=["{name}"])
    def named(name):
        loads.append(name)
        return name

    loads = []
    for name in ("shoes", "*", "**", "*a"):
        named(name)
    invalidate(tags=[tag])
    loads.clear()
    for name in ("shoes", "*", "**", "*a"):
        named.fresh(name)
    assert loads == [tag]


def test_invalidate_has_to_be_told_what(cache_app):
    """Without arguments it would do nothing, silently; a list that is empty just now is fine."""
    for what in ({}, {"everything": True, "tags": ["t"]}, {"everything": True, "prefix": "k"}):
        with pytest.raises(SetupError, match="tags="):
            invalidate(**what)
    invalidate(tags=[])


def test_a_cache_can_be_emptied_for_a_test(cache_app):
    """Near, in the store, and what is being loaded; nothing where the cache is switched off."""
    assert page(6) == {"number": 6}
    calls = []
    assert get_or_load("k", lambda: calls.append(1) or 1) == 1
    clear_cache(cache_app)
    assert get_or_load("k", lambda: calls.append(1) or 2) == 2
    app = Flask("off")
    with pytest.raises(SetupError, match="BackendPatterns"):
        clear_cache(app)
    app.config["BACKEND_CACHE_ENABLED"] = False
    BackendPatterns(app)
    clear_cache(app)


def test_everything_can_be_forgotten_at_once_or_after_a_commit(cache_app):
    """Whatever its tags; a tag with the same text as the mark for it is an ordinary one."""
    database = create_engine("sqlite://")

    def after_commit(**what):
        with Session(database) as session:
            session.execute(text("SELECT 1"))
            invalidate_after_commit(session, **what)
            session.commit()

    found = iter(range(10))

    def ask():
        return get_or_load("k", lambda: next(found), tags=["t"])

    assert (ask(), ask()) == (0, 0)
    invalidate(everything=True)
    assert ask() == 1
    after_commit(everything=True)
    assert ask() == 2
    after_commit(tags=["*", "everything"])
    assert ask() == 2
    database.dispose()
