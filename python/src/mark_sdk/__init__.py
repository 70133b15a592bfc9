"""MARK's SDK for Python modules.

    import mark_sdk as mark

    mark.ready()
    mark.heartbeat(state="trading", feeds={"BTCUSDT": last_tick_ms})

    @mark.on_stop
    def stop(): ...

Outside MARK every call does nothing. The environment is read when the package is imported.
"""

from __future__ import annotations

from .clock import Now, now
from .environment import Environment, Paths, Run, read_environment
from .exits import Exit
from .links import Link
from .logs import LogHandler, loguru_sink
from .module import Module
from .persistent_map import PersistentMap
from .request_error import Refuse, RequestRefused, RequestUnknown
from .serving import Request
from .state_error import StateBusy, StateError, StateFenced, StateLost, StateWriteFailed
from .transaction import Transaction

_module = Module(read_environment())

run: Run = _module.environment.run
paths: Paths = _module.environment.paths

ready = _module.ready
heartbeat = _module.heartbeat
ping = _module.ping
degraded = _module.degraded
status = _module.status
stopping = _module.stopping
reconciled = _module.reconciled
metric = _module.metric
closing = _module.closing
exit = _module.exit
halt_level = _module.halt_level
on_stop = _module.on_stop
on_pause = _module.on_pause
on_resume = _module.on_resume
on_halt = _module.on_halt
on_activate = _module.on_activate
capture_crashes = _module.capture_crashes
connected = _module.connected
link = _module.link

capture_crashes()

__version__ = "0.1.0"
__all__ = [
    "Environment",
    "Exit",
    "Link",
    "LogHandler",
    "Module",
    "Now",
    "Paths",
    "PersistentMap",
    "Refuse",
    "Request",
    "RequestRefused",
    "RequestUnknown",
    "Run",
    "StateBusy",
    "StateError",
    "StateFenced",
    "StateLost",
    "StateWriteFailed",
    "Transaction",
    "capture_crashes",
    "closing",
    "connected",
    "degraded",
    "exit",
    "halt_level",
    "heartbeat",
    "link",
    "loguru_sink",
    "metric",
    "now",
    "on_activate",
    "on_halt",
    "on_pause",
    "on_resume",
    "on_stop",
    "paths",
    "ping",
    "read_environment",
    "ready",
    "reconciled",
    "run",
    "status",
    "stopping",
]  # fmt: skip
