"""Signals and locks: a signal handler runs between any two steps of the main thread, also while that thread
holds one of the SDK's locks. Locks made here are known, so that a handler can tell and come back a little
later.

What runs in a handler must take no lock of the standard library that the interrupted code may hold: no
threading.Thread, only bare threads.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
from typing import Any, List

AGAIN_S = 0.002

_locks: List[Any] = []


def make_lock() -> Any:
    """A threading.RLock that handlers respect; `forget_lock` when it is no longer used."""
    lock = threading.RLock()
    _locks.append(lock)
    return lock


def forget_lock(lock: Any) -> None:
    if lock in _locks:
        _locks.remove(lock)


def inside_sdk() -> bool:
    """Whether this thread, interrupted, is amid something of the SDK's."""
    return any(lock._is_owned() for lock in list(_locks))


def signal_again(number: int) -> None:
    """Sends the signal to this process again in 2 ms."""

    def send() -> None:
        time.sleep(AGAIN_S)
        os.kill(os.getpid(), number)

    _thread.start_new_thread(send, ())
