"""Work that waits its turn: one daemon thread does one after the other, so that a slow one holds up neither
the connection nor a heartbeat. Bounded: beyond it the oldest is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Callable, Deque, Optional, Tuple

COUNT_MAX = 10_000
BYTES_MAX = 8_000_000

_log = logging.getLogger("mark_sdk")


class Mailbox:
    def __init__(self, name: str) -> None:
        self._name = name
        self._work: Deque[Tuple[int, Callable[[], None]]] = deque()
        self._bytes = 0
        self._there = threading.Condition()
        self._thread: Optional[threading.Thread] = None
        self._is_over = False

    @property
    def is_full(self) -> bool:
        return len(self._work) >= COUNT_MAX or self._bytes > BYTES_MAX

    def put(self, size: int, work: Callable[[], None]) -> int:
        """How many it dropped for it."""
        dropped = 0
        with self._there:
            while self.is_full:
                self._bytes -= self._work.popleft()[0]
                dropped += 1
            self._work.append((size, work))
            self._bytes += size
            self._start()
            self._there.notify()
        return dropped

    def end(self) -> None:
        """What is under way ends, nothing more begins."""
        with self._there:
            self._is_over = True
            self._there.notify()

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had: the next put tries again
                return
            self._thread = thread

    def _run(self) -> None:
        while True:
            with self._there:
                while not self._work and not self._is_over:
                    self._there.wait()
                if self._is_over:
                    return
                size, work = self._work.popleft()
                self._bytes -= size
            try:
                work()
            except Exception:
                _log.exception("a function that the link called failed")
