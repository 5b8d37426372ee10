"""Limits on functions and blocks that are no routes: what they count, and what they say when they cannot."""

import asyncio

import pytest

from flask_backend_patterns import RateLimitError, SetupError
from flask_backend_patterns.limits import rate_limit


@rate_limit("1/hour", key=lambda to: to)
def send(to, *, subject="hello"):
    return f"{to}: {subject}"


@rate_limit("4/hour", key=lambda: "all", cost=lambda pages: pages, when=lambda is_big: is_big)
def export(pages, is_big=True):
    return pages


class Mailer:
    @rate_limit("1/hour", key=lambda to: to)
    def send(self, to):
        return to


@rate_limit("1/hour", key=lambda to: to)
async def send_later(to):
    return to


def is_refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except RateLimitError:
        return True
    return False


@pytest.mark.parametrize(
    "call", [send, Mailer().send, lambda to: asyncio.run(send_later(to))], ids=["function", "method", "async"]
)
@pytest.mark.parametrize("is_in_request", [False, True])
def test_a_key_is_given_the_functions_arguments(shop, call, is_in_request):
    """By name, however they are passed, in a request and outside."""
    context = shop.app.test_request_context("/") if is_in_request else shop.app.app_context()
    with context:
        assert [is_refused(call, to) for to in ("ann", "bob", "ann")] == [False, False, True]
        assert is_refused(call, to="bob")


def test_cost_and_when_are_given_them_too(shop):
    """With their defaults."""
    with shop.app.app_context():
        assert [is_refused(export, pages) for pages in (3, 2, 1)] == [False, True, False]
        assert not is_refused(export, 4, is_big=False)


def test_arguments_of_the_function_come_before_those_of_the_path(shop):
    """A service that is called by a view counts by what it is called with; the view counts by its path."""
    shop.route(rate_limit("5/hour", key=lambda to: to)(lambda to: send("all")), "/mails/<to>")
    assert [shop.status(f"/mails/{to}") for to in ("ann", "bob")] == [200, 429]


def test_a_name_that_is_not_there_is_told_with_those_that_are(shop):
    """In a job as in a request."""
    wrong = rate_limit("1/hour", key=lambda address: address)(lambda to: to)
    with shop.app.app_context(), pytest.raises(SetupError, match=r"takes 'address'.*there is: to"):
        wrong("ann")


def test_without_an_app_context_it_is_said_what_to_do():
    """For a function as for a block."""
    with pytest.raises(SetupError, match=r"send .*app_context"):
        send("ann")
    with pytest.raises(SetupError, match="app_context"), rate_limit("1/hour"):
        pass


def test_an_async_block_counts(shop):
    """Each block for itself, as with plain `with`."""

    async def work():
        async with rate_limit("1/hour"):
            return True

    with shop.app.app_context():
        assert asyncio.run(work())
        with pytest.raises(RateLimitError):
            asyncio.run(work())


def test_a_refusal_says_in_a_jobs_log_which_limit_it_was(shop):
    """And when there is room."""
    with shop.app.app_context():
        with rate_limit("1/hour", name="invoices"):
            pass
        with pytest.raises(RateLimitError) as refused, rate_limit("1/hour", name="invoices"):
            pass
    assert str(refused.value) == (
        'Too many requests. The limit "invoices" is 1 request per hour. There is room in 3600 s.'
    )


def test_one_name_has_one_rate(shop):
    """To count together what has other rates cannot be."""
    with shop.app.app_context():
        with rate_limit("1/hour", name="both"):
            pass
        with (
            pytest.raises(SetupError, match=r"2/hour .* 1/hour elsewhere"),
            rate_limit("2/hour", name="both"),
        ):
            pass


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rates": "10/minute", "cost": 11}, "never fits"),
        ({"rates": "10/minute; 100/hour", "tiers": {"a": "5/hour"}, "cost": 6}, "never fits"),
        ({"rates": "10/minute", "methods": ["FOO"]}, "FOO"),
        ({"rates": None, "key": "address"}, "limits nothing"),
        ({"rates": None, "tiers": {"a": "5/hour"}}, "limits nothing"),
    ],
)
def test_what_does_nothing_is_refused(options, match):
    """Where it is written, not at the first request."""
    with pytest.raises(SetupError, match=match):
        rate_limit(**options)
