"""Functions of the module that MARK's words call: on_stop, on_pause, on_resume, on_halt, on_activate.

A coroutine function, and any function registered while an event loop runs, is called in that loop; other
functions in one thread of the SDK's own, one after the other, so that a slow one never holds up a heartbeat.
What they raise is logged and goes no further (but for on_stop in the main thread: see signals.py).
"""

from __future__ import annotations

import _thread
import inspect
import logging
import sys
import threading
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

Callback = Callable[..., Any]

_log = logging.getLogger("mark_sdk")


def running_loop() -> Any:
    """The event loop that runs in this thread, or None; asyncio is not imported for it."""
    asyncio = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


class Callbacks:
    def __init__(self) -> None:
        self._entries: Dict[str, List[Tuple[Callback, int, Any]]] = {}
        self._loop: Any = None
        self._queue: Deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._working = False

    def add(self, kind: str, callback: Callback) -> None:
        loop = running_loop()
        self.remember(loop)
        entries = [*self._entries.get(kind, []), (callback, accepted_arguments(callback), loop)]
        self._entries[kind] = entries

    def remember(self, loop: Any) -> None:
        """The loop that coroutine functions registered outside of any loop run in."""
        if loop is not None:
            self._loop = loop

    def forget(self) -> None:
        """In a forked child: these were the parent's."""
        self.__init__()  # type: ignore[misc]

    def call(self, kind: str, *args: object) -> None:
        """From any thread; returns at once."""
        for entry in self._entries.get(kind, []):
            self.call_one(entry, args)

    def call_last(self, kind: str, *args: object) -> None:
        entries = self._entries.get(kind)
        if entries:
            self.call_one(entries[-1], args)

    def call_here(self, kind: str, *args: object) -> None:
        """In the main thread: plain functions at once in this thread, and what they raise is raised."""
        for callback, accepted, loop in self._entries.get(kind, []):
            if loop is None and running_loop() is None and not inspect.iscoroutinefunction(callback):
                callback(*args[:accepted])
            else:
                self.call_one((callback, accepted, loop or running_loop()), args)

    def call_one(self, entry: Tuple[Callback, int, Any], args: Tuple[object, ...]) -> None:
        callback, accepted, own_loop = entry
        loop = own_loop
        if loop is None and inspect.iscoroutinefunction(callback):
            loop = self._loop

        def work() -> None:
            try:
                result = callback(*args[:accepted])
                if inspect.isawaitable(result):
                    _await(result)
            except Exception:
                _log.exception("callback %r failed", callback)

        if loop is not None and loop.is_running():
            try:
                loop.call_soon_threadsafe(work)
                return
            except RuntimeError:  # closed meanwhile
                pass
        self._in_thread(work)

    def _in_thread(self, work: Callable[[], None]) -> None:
        self._queue.append(work)
        # No lock for a signal handler to meet: two threads at once are sorted out in _work.
        if not self._working:
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # the process ends
                _log.warning("no thread for a callback")

    def _work(self) -> None:
        with self._lock:
            self._working = True
            while True:
                try:
                    work = self._queue.popleft()
                except IndexError:
                    break
                work()
            self._working = False
        if self._queue and not self._working:
            self._work()


_tasks: Any = set()


def _await(result: Any) -> None:
    import asyncio

    loop: Optional[Any] = running_loop()
    if loop is None:
        asyncio.run(_finish(result))
        return
    task = loop.create_task(_finish(result))
    _tasks.add(task)  # the loop itself keeps no strong reference
    task.add_done_callback(_tasks.discard)


async def _finish(result: Any) -> None:
    try:
        await result
    except Exception:
        _log.exception("callback failed")


def accepted_arguments(callback: Callback) -> int:
    """How many positional arguments it takes: `def stop():` and `def stop(reason):` are both right."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return 0
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 9
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
