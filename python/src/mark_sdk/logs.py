"""Log lines that never hold up the module: a bounded queue, and one thread that writes it to stderr (MARK's
log).

Where the queue is full, lines are counted and the count is written when there is room. For logging:
`LogHandler`; for loguru: `logger.add(mark_sdk.loguru_sink)`.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from typing import Any, Deque, List, Optional

from .clock import iso
from .safe_point import make_lock

LINES_MAX = 10_000
BYTES_MAX = 8 * 1024 * 1024
LINE_MAX = 256 * 1024
END_S = 1.0


class LineQueue:
    """Lines on their way to a file descriptor. `put` never waits for it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._clear()
        os.register_at_fork(after_in_child=self._clear)
        atexit.register(self.drain, END_S)

    def _clear(self) -> None:
        self._lines: Deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._lock = make_lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: Optional[threading.Thread] = None

    def put(self, text: str) -> None:
        line = text[:LINE_MAX].encode("utf-8", "backslashreplace")
        with self._lock:
            if len(self._lines) >= LINES_MAX or self._bytes + len(line) > BYTES_MAX:
                self._dropped += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._idle.clear()
            if self._thread is None:
                self._start()
        self._wake.set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="mark-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread to be had: the next line tries again
            return
        self._thread = thread

    def drain(self, timeout_s: float) -> bool:
        return self._thread is None or self._idle.wait(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while True:
                batch = self._take()
                if not batch:
                    break
                self._write(batch)

    def _take(self) -> bytes:
        with self._lock:
            lines: List[bytes] = []
            while self._lines and len(lines) < 256:
                lines.append(self._lines.popleft())
            if self._dropped and not self._lines:
                lines.append(
                    f"{iso(time.time_ns())} WARNING mark_sdk: {self._dropped} log lines lost\n".encode()
                )
                self._dropped = 0
            batch = b"".join(lines)
            self._bytes = sum(map(len, self._lines)) if len(self._lines) < 256 else self._bytes - len(batch)
            if not batch:
                self._idle.set()
            return batch

    def _write(self, batch: bytes) -> None:
        while batch:
            try:
                batch = batch[os.write(self._descriptor, batch) :]
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # full disk, closed: lines of this batch are lost and counted
                with self._lock:
                    self._dropped += batch.count(b"\n")
                time.sleep(0.1)
                return


_stderr: Optional[LineQueue] = None


def _queue() -> LineQueue:
    global _stderr
    if _stderr is None:
        _stderr = LineQueue(2)
    return _stderr


class LogHandler(logging.Handler):
    """`logging.getLogger().addHandler(mark_sdk.LogHandler())`: time in UTC, level, logger, message."""

    def __init__(self, level: int = logging.NOTSET, queue: Optional[LineQueue] = None) -> None:
        super().__init__(level)
        self._queue = queue if queue is not None else _queue()
        formatter = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._queue.put(self.format(record) + "\n")
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Does not wait: the end of the process does, at most a second."""


def loguru_sink(message: Any) -> None:
    """A sink for loguru, which formats: `logger.remove(); logger.add(mark_sdk.loguru_sink)`."""
    _queue().put(str(message))
