"""One function of the module, called by the link and waited for, where it belongs: a coroutine function, and
any function given while an event loop runs, in that loop; other functions in the thread that calls.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable

from .callbacks import accepted_arguments, running_loop

LOOK_S = 1.0


class Caller:
    """`latest_loop`: where coroutine functions run that were given outside of any loop."""

    def __init__(self, function: Callable[..., Any], latest_loop: Callable[[], Any]) -> None:
        self._function, self._latest_loop = function, latest_loop
        self._loop = running_loop()
        self._accepted = accepted_arguments(function)

    def call(self, *args: object) -> Any:
        """What it returns; raises what it raises. Never in the loop's own thread."""
        loop = self._loop
        if loop is None and inspect.iscoroutinefunction(self._function):
            loop = self._latest_loop()
        given = args[: self._accepted]
        if loop is not None and loop.is_running():
            return _wait_for(_finish(self._function, given), loop)
        result = self._function(*given)
        if inspect.isawaitable(result):
            import asyncio

            return asyncio.run(_await(result))
        return result


def _wait_for(work: Any, loop: Any) -> Any:
    import asyncio
    from concurrent.futures import wait

    future = asyncio.run_coroutine_threadsafe(work, loop)
    while not wait([future], LOOK_S).done:
        if not loop.is_running():
            future.cancel()
            raise RuntimeError("the event loop ended meanwhile")
    return future.result()


async def _finish(function: Callable[..., Any], args: Any) -> Any:
    result = function(*args)
    return await result if inspect.isawaitable(result) else result


async def _await(result: Any) -> Any:
    return await result
