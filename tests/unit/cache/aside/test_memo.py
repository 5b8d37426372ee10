"""`memo`: one computation for each request and arguments."""

import asyncio

import pytest
from flask import Flask

from flask_backend_patterns.cache import memo


@pytest.fixture
def calls():
    return []


@pytest.fixture
def double(calls):
    @memo
    def function(number, by=2):
        calls.append(number)
        if number is None:
            raise ValueError("no")
        return [number, by]

    return function


def test_once_in_a_request_and_not_across(double, calls):
    """The same object; other arguments and other requests have their own; errors are not kept."""
    flask_app = Flask("memo")
    for _ in range(2):
        with flask_app.app_context():
            assert double(1) is double(1, by=2) is double(number=1)
            assert double(True) is not double(1)
            for _ in range(2):
                with pytest.raises(ValueError, match="no"):
                    double(None)
    assert calls == [1, True, None, None] * 2


def test_methods_are_remembered_by_their_object(calls):
    """Whatever it is; it need not have a stable key."""

    class Service:
        @memo
        def find(self, number):
            calls.append(number)
            return number

    with Flask("memo").app_context():
        one, two = Service(), Service()
        assert [one.find(1), one.find(1), two.find(1)] == [1, 1, 1]
    assert len(calls) == 2


def test_outside_a_request_it_is_just_called(double, calls):
    """Nothing is kept."""
    double(1)
    double(1)
    assert len(calls) == 2


def test_coroutines_wait_for_each_other(calls):
    """Once, also when asked at the same time; after an error the next one tries."""

    @memo
    async def find(number):
        calls.append(number)
        await asyncio.sleep(0.01)
        if len(calls) == 1:
            raise ValueError("first")
        return number

    async def main():
        return await asyncio.gather(*(find(1) for _ in range(5)), return_exceptions=True)

    with Flask("memo").app_context():
        results = asyncio.run(main())
    assert [type(result) for result in results] == [ValueError, int, int, int, int]
    assert len(calls) == 2
