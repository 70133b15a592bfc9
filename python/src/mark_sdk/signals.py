"""SIGTERM and SIGINT for `on_stop`. Nothing is installed before on_stop is used; handlers that were there are
called after the callbacks. The default actions (die, KeyboardInterrupt) are replaced: the module ends when
its callback makes it end. A second SIGINT raises KeyboardInterrupt as ever.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any, Callable, Dict, Optional

from .safe_point import inside_sdk, signal_again

_log = logging.getLogger("mark_sdk")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    def __init__(self, on_signal: Callable[[str], None]) -> None:
        self._on_signal = on_signal
        self._before: Dict[int, Any] = {}
        self._told = False
        self._mask: Optional[Iterable[int]] = None

    def install(self) -> None:
        """Once; in the main thread, elsewhere Python knows no signals and only a warning is logged."""
        if self._before:
            return
        if threading.current_thread() is not threading.main_thread():
            _log.warning("on_stop was first used outside the main thread: SIGTERM and SIGINT are not caught")
            return
        for number in SIGNALS:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._handle)

    def before_fork(self) -> None:
        """Python drops a signal that reaches the child before its handlers are sorted out: it waits
        outside."""
        if self._before:
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def after_fork_in_parent(self) -> None:
        mask, self._mask = self._mask, None
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def after_fork_in_child(self) -> None:
        """What was there before, so that terminate() ends it."""
        self._restore()
        self.after_fork_in_parent()

    def _restore(self) -> None:
        before, self._before, self._told = self._before, {}, False
        for number, handler in before.items():
            if signal.getsignal(number) == self._handle and handler is not None:
                signal.signal(number, handler)

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        if inside_sdk():
            signal_again(number)
            return
        before = self._before.get(number)
        if _is_default(before) and not self._told:
            before = None
        first, self._told = not self._told, True
        if first:
            self._on_signal(signal.Signals(number).name)
        if callable(before):
            before(number, frame)


def _is_default(handler: Any) -> bool:
    """Python's own answer to SIGINT, or asyncio.run's: what `on_stop` replaces."""
    if handler is signal.default_int_handler:
        return True
    function = getattr(handler, "func", handler)
    return getattr(function, "__module__", None) == "asyncio.runners"
