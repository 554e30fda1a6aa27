"""Do long work on the event loop in slices so thin that requests do not notice."""

import asyncio
import gc
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.001
"""How long the loop is held at a time; one step may take longer."""

BUSY_SECONDS = 0.0005
"""A turn of the loop that takes longer than this had requests to serve."""

REST_SECONDS = 0.002
"""How long it is then left alone."""


async def paced(steps: Generator[None, None, T]) -> T:
    """Run *steps* to their end and return what they come to, giving way after every slice.

    On an idle server this takes as long as the work; a busy one is given most of its time.
    """
    collects = gc.isenabled()
    gc.disable()  # what is built stays: looking through it again and again is long and in vain
    try:
        while True:
            try:
                _slice(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            await _give_way()
    finally:
        if collects:
            gc.enable()


def _slice(steps: Generator[None, None, T]) -> None:
    until = perf_counter() + SLICE_SECONDS
    while perf_counter() < until:
        next(steps)


async def _give_way() -> None:
    began = perf_counter()
    await asyncio.sleep(0)
    if perf_counter() - began > BUSY_SECONDS:
        await asyncio.sleep(REST_SECONDS)
