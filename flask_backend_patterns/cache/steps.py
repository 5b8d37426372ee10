"""Runs the steps of a cached call in a thread or in an event loop: what happens is written once, for both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeAlias

from .single_flight import Failure, Load, Pause, Wait

# Yields what has to be done, is sent what came of it, returns the value or a `Failure`.
Steps: TypeAlias = Generator[Load | Wait | Pause, Any, Any]


def run(steps: Steps, load: Callable[[], Any]) -> Any:
    """The value; what the loader raised is raised."""
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            try:
                answer = step.run(load)
            except BaseException as error:  # noqa: BLE001 - an interrupt while waiting: the steps clean up
                steps.throw(error)
    except StopIteration as end:
        answer = end.value
    return _opened(answer)


async def run_async(steps: Steps, load: Callable[[], Awaitable[Any]]) -> Any:
    """As `run`; waits without holding up the event loop."""
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            try:
                answer = await step.run_async(load)
            except BaseException as error:  # noqa: BLE001 - a cancellation while waiting: as above
                steps.throw(error)
    except StopIteration as end:
        answer = end.value
    return _opened(answer)


def _opened(answer: Any) -> Any:
    if type(answer) is Failure:
        error = answer.error
        try:
            raise error
        finally:
            del error, answer  # the traceback refers to this frame
    return answer
