"""Says what ended the module before it ends: an exception nobody caught, in the main thread or another.

It never swallows: what was installed before (a traceback on stderr, Sentry) goes on afterwards. The end of a
thread does not end the process, so it is a `crash` without a `closing`.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Callable, Optional, Type

from . import protocol
from .protocol import Message

DRAIN_S = 0.5
EXIT_CRASHED = 1
LINES = 60


class CrashCapture:
    def __init__(self, say: Callable[[str, Message], None], drain: Callable[[float], object]) -> None:
        self._say, self._drain = say, drain
        self._pid: Optional[int] = None

    def install(self) -> None:
        if self._pid is not None:
            return
        self._pid = os.getpid()
        before, before_thread = sys.excepthook, threading.excepthook

        def hook(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
            code = exit_code_of(error)
            if not isinstance(error, KeyboardInterrupt):
                self._tell(kind, error, trace, EXIT_CRASHED if code is None else code)
            before(kind, error, trace)
            if code is not None:
                raise SystemExit(code)

        def thread_hook(args: Any) -> None:
            if args.exc_type is not SystemExit and args.exc_value is not None:
                self._tell(args.exc_type, args.exc_value, args.exc_traceback, None)
            before_thread(args)

        sys.excepthook = hook
        threading.excepthook = thread_hook

    def _tell(
        self,
        kind: Type[BaseException],
        error: BaseException,
        trace: Optional[TracebackType],
        code: Optional[int],
    ) -> None:
        if os.getpid() != self._pid:  # a forked child is not the run
            return
        try:
            lines = traceback.format_exception(kind, error, trace, limit=-LINES)
            self._say("crash", protocol.crash(kind.__name__, str(error), "".join(lines)))
            if code is not None:
                self._say("closing", protocol.closing(code, f"{kind.__name__}: {error}"))
            self._drain(DRAIN_S)
        except Exception:  # its own trouble must not hide the crash
            pass


def exit_code_of(error: BaseException) -> Optional[int]:
    """The exit code that an error asks for (lost state: 11), or None."""
    code = getattr(error, "mark_exit_code", None)
    return int(code) if isinstance(code, int) else None
