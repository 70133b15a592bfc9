"""What a module says and hears: the functions of `mark_sdk`, for one environment.

No call waits, no call raises because of MARK; outside MARK each does nothing.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Callable, NoReturn, Optional, TypeVar

from . import protocol
from .callbacks import Callback, Callbacks, running_loop
from .crash import CrashCapture
from .environment import Environment, LinkAccess
from .halt import LEVELS, read_halt_level, strictest
from .line import Line
from .links import Link
from .protocol import Components, Feeds, Message, Number
from .signals import StopSignals

SDK = "python/0.1.0"
END_S = 0.5

F = TypeVar("F", bound=Callback)


class Module:
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._callbacks = Callbacks()
        self._line = Line(environment, SDK, self._hear, self._look)
        self._signals = StopSignals(self._on_signal)
        self._crash = CrashCapture(self._line.say, self._line.drain)
        self._link = _make_link(environment.link)
        self._sequence = 0
        self._pings = 0
        self._levels = threading.Lock()
        self._file_level: Optional[str] = None
        self._said_level: Optional[str] = None
        self._said_reason: Optional[str] = None
        self._level: Optional[str] = None
        if environment.inside:
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )
            atexit.register(self._line.drain, END_S)

    # what it says

    def ready(self) -> None:
        self._say("ready", {"type": "ready"}, "READY=1")

    def heartbeat(
        self,
        *,
        state: Optional[str] = None,
        feeds: Optional[Feeds] = None,
        loop_lag_ms: Optional[Number] = None,
        last_order_ack_ts: Optional[Number] = None,
        orders_per_min: Optional[Number] = None,
        open_orders: Optional[Number] = None,
        positions: Optional[Number] = None,
        exposure: Optional[Number] = None,
        components: Optional[Components] = None,
        version: Optional[str] = None,
        ts: Optional[Number] = None,
    ) -> None:
        """At least every 5 s. `feeds`: {name: Unix ms of its last tick}; `components`: {name: state}."""
        if not self.environment.supervised:
            return
        self._sequence += 1
        message = protocol.heartbeat(
            self._sequence,
            ts=time.time_ns() // 1_000_000 if ts is None else ts,
            state=state,
            feeds=feeds,
            loop_lag_ms=loop_lag_ms,
            last_order_ack_ts=last_order_ack_ts,
            orders_per_min=orders_per_min,
            open_orders=open_orders,
            positions=positions,
            exposure=exposure,
            components=components,
            version=version,
        )
        self._say("heartbeat", message, self._watchdog())

    def ping(self) -> None:
        """It is alive: for modules that have nothing else to tell."""
        self._pings += 1
        self._say("ping", {"type": "ping", "id": self._pings}, self._watchdog())

    def degraded(self, reason: Optional[str]) -> None:
        """It works, but not as it should; None: it does again."""
        self._say("degraded", protocol.degraded(reason))

    def status(self, text: str) -> None:
        """One line for people, in `mark status`."""
        self._say("status", None, "STATUS=" + " ".join(str(text).split())[:500])

    def stopping(self, reason: Optional[str] = None) -> None:
        self._say("stopping", protocol.stopping(reason), "STOPPING=1")

    def reconciled(self, ok: bool = True, detail: Optional[str] = None) -> None:
        """Its books agree, or not, with the exchange's."""
        self._say("reconciled", protocol.reconciled(ok, detail))

    def metric(self, name: str, value: Number, labels: Optional[Mapping[str, object]] = None) -> None:
        message = protocol.metric(name, value, labels)
        if message is not None:
            key = ("metric", name, tuple(sorted((message.get("labels") or {}).items())))
            self._say(key, message)

    def closing(self, code: int, reason: Optional[str] = None) -> None:
        """The last word before it ends by itself with `code`."""
        self._say("closing", protocol.closing(code, reason))

    def exit(self, code: int, reason: Optional[str] = None) -> NoReturn:
        """Says `closing` and raises SystemExit. In the main thread: elsewhere it ends only the thread."""
        self.closing(code, reason)
        self._line.drain(END_S)
        raise SystemExit(int(code))

    # what it hears

    def halt_level(self) -> Optional[str]:
        """None, "pause", "halt" or "flatten", from the halt file alone: true with no MARK process alive."""
        return read_halt_level(self.environment.halt_file)

    def on_stop(self, callback: F) -> F:
        """On SIGTERM and SIGINT, in the main thread or its event loop, with the signal's name."""
        if self.environment.inside:
            self._callbacks.add("stop", callback)
            self._signals.install()
            self._line.watch()
        return callback

    def on_pause(self, callback: F) -> F:
        """No new entries from now on: callback(reason)."""
        return self._on("pause", callback)

    def on_resume(self, callback: F) -> F:
        """As before: callback()."""
        return self._on("resume", callback)

    def on_halt(self, callback: F) -> F:
        """Stop trading: callback(level, reason), level "halt" or "flatten"."""
        return self._on("halt", callback)

    def on_activate(self, callback: F) -> F:
        """This standby run is the active one now: callback()."""
        return self._on("activate", callback)

    def capture_crashes(self) -> None:
        """Done by itself when the package is imported."""
        if self.environment.inside:
            self._crash.install()

    def connected(self) -> bool:
        """Whether MARK's daemon hears at this moment. Nothing a module needs to know."""
        return self._line.connected

    # other modules

    def link(self) -> Link:
        """The connection to the other modules of its fleet, always the same one, made in the background. In a
        fleet without a link what it does is nothing."""
        self._link.start()
        return self._link

    # within

    def _say(self, kind: Any, message: Optional[Message], notice: Optional[str] = None) -> None:
        if self.environment.supervised:
            self._callbacks.remember(running_loop())
            self._line.say(kind, message, notice)

    def _watchdog(self) -> Optional[str]:
        return "WATCHDOG=1" if self.environment.watchdog else None

    def _on(self, kind: str, callback: F) -> F:
        with self._levels:
            self._callbacks.add(kind, callback)
            if kind == _kind_of(self._level):
                self._call(kind, self._callbacks.call_last)
        if self.environment.supervised:
            self._line.watch()
        return callback

    def _on_signal(self, name: str) -> None:
        self.stopping(name)
        self._callbacks.call_here("stop", name)

    def _hear(self, message: Message) -> None:
        kind, reason = message["type"], message.get("reason")
        if kind == "welcome":
            self._change(said=_level(message.get("halt")), reason=None)
        elif kind == "pause":
            self._change(said="pause", reason=reason)
        elif kind == "halt":
            self._change(said=_level(message.get("level")) or "halt", reason=reason)
        elif kind == "resume":
            self._change(said=None, reason=None)
        elif kind == "activate":
            self._callbacks.call("activate")

    def _look(self) -> None:
        level = self.halt_level()
        if level != self._file_level:
            with self._levels:
                self._file_level = level
                self._settle()

    def _change(self, said: Optional[str], reason: object) -> None:
        with self._levels:
            self._said_level = said
            self._said_reason = str(reason) if reason is not None else self._said_reason if said else None
            # The file may have changed at the same instant; a `resume` must not run ahead of it.
            self._file_level = self.halt_level()
            self._settle()

    def _settle(self) -> None:
        before, self._level = self._level, strictest(self._file_level, self._said_level)
        if self._level != before:
            self._call(_kind_of(self._level), self._callbacks.call)

    def _call(self, kind: Optional[str], call: Callable[..., None]) -> None:
        reason = self._said_reason or "halt file"
        if kind == "halt":
            call("halt", self._level, reason)
        elif kind == "pause":
            call("pause", reason)
        elif kind is None:
            call("resume")

    def _before_fork(self) -> None:
        self._signals.before_fork()
        self._line.before_fork()

    def _after_fork_in_parent(self) -> None:
        self._line.after_fork_in_parent()
        self._signals.after_fork_in_parent()

    def _after_fork_in_child(self) -> None:
        self._levels = threading.Lock()
        self._file_level = self._said_level = self._said_reason = self._level = None
        self._callbacks.forget()
        self._line.after_fork_in_child()
        self._signals.after_fork_in_child()


def _make_link(access: LinkAccess) -> Link:
    try:
        return Link(access.url, access.username, access.password)
    except ValueError as error:
        protocol.warn_once("link-url", f"MARK_LINK_URL: {error}: there is no link")
        return Link(None)


def _level(value: object) -> Optional[str]:
    """A level this SDK does not know is taken for a halt."""
    return None if value is None else value if isinstance(value, str) and value in LEVELS else "halt"


def _kind_of(level: Optional[str]) -> Optional[str]:
    return None if level is None else "pause" if level == "pause" else "halt"
