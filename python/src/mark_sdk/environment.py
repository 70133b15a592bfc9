"""What MARK told this run when it started it: the MARK_* variables, read once and never changed.

Outside MARK every field is empty, and everything that builds on it does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional


@dataclass(frozen=True)
class Run:
    """Which run this is and why it was started. All None outside MARK."""

    fleet: Optional[str]
    module: Optional[str]
    run_id: Optional[str]
    session_id: Optional[str]
    start_reason: Optional[str]
    """boot, crash, operator, health, reload, standby or reboot."""
    previous_run_id: Optional[str]
    previous_exit: Optional[str]
    """Exit code or signal of the run before ("1", "SIGKILL"), "unknown", or None where there was none."""
    attempt: Optional[int]
    mode: Optional[str]
    autonomy: Optional[str]
    strategy: Optional[str]


class Paths(NamedTuple):
    """Directories of this module; None outside MARK."""

    root: Optional[Path]
    state: Optional[Path]
    logs: Optional[Path]
    data: Optional[Path]


@dataclass(frozen=True)
class LinkAccess:
    """The broker between modules; all None in a fleet without one."""

    url: Optional[str]
    username: Optional[str]
    password: Optional[str] = field(repr=False)


@dataclass(frozen=True)
class Environment:
    run: Run
    paths: Paths
    socket: Optional[str]
    notify_socket: Optional[str]
    halt_file: Optional[str]
    watchdog: bool
    link: LinkAccess

    @property
    def inside(self) -> bool:
        """MARK, or something like it, started this process."""
        return self.supervised or self.run.run_id is not None

    @property
    def supervised(self) -> bool:
        return bool(self.socket or self.notify_socket or self.halt_file)


def read_environment(env: Optional[Mapping[str, str]] = None) -> Environment:
    """Reads `env` (the process's own by default). What makes no sense counts as absent."""
    source = os.environ if env is None else env

    def text(name: str) -> Optional[str]:
        return source.get(name) or None

    def path(name: str) -> Optional[Path]:
        value = text(name)
        return None if value is None else Path(value)

    root = path("MARK_ROOT")
    inside = text("MARK_RUN_ID") is not None
    return Environment(
        run=Run(
            fleet=text("MARK_FLEET"),
            module=text("MARK_MODULE"),
            run_id=text("MARK_RUN_ID"),
            session_id=text("MARK_SESSION_ID"),
            start_reason=text("MARK_START_REASON"),
            previous_run_id=text("MARK_PREVIOUS_RUN_ID"),
            previous_exit=text("MARK_PREVIOUS_EXIT"),
            attempt=whole_number(source.get("MARK_ATTEMPT")),
            mode=text("MODE") if inside else None,
            autonomy=text("AUTONOMY") if inside else None,
            strategy=text("STRATEGY") if inside else None,
        ),
        paths=Paths(
            root=root,
            state=path("MARK_STATE_DIR"),
            logs=path("MARK_LOG_DIR"),
            data=None if root is None else root / "data",
        ),
        socket=text("MARK_SOCKET"),
        notify_socket=text("NOTIFY_SOCKET"),
        halt_file=text("MARK_HALT_FILE"),
        watchdog=text("WATCHDOG_USEC") is not None,
        link=LinkAccess(
            url=text("MARK_LINK_URL"),
            username=text("MARK_LINK_USERNAME"),
            password=text("MARK_LINK_PASSWORD"),
        ),
    )


def whole_number(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None
