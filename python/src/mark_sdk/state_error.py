"""What PersistentMap raises. Lost state ends the module with exit 11 (reconcile) where nobody catches it: no
restart may start empty.
"""

from __future__ import annotations

from typing import Optional

from .exits import Exit


class StateError(Exception):
    """Anything that keeps a PersistentMap from doing what was asked. `code` is the same word in every
    language."""

    code = "state"
    mark_exit_code: Optional[int] = None


class StateLost(StateError):
    """It is gone, or cannot be proven whole."""

    code = "lost"
    mark_exit_code = int(Exit.RECONCILE)


class StateFenced(StateError):
    """A later run has had it."""

    code = "fenced"


class StateBusy(StateError):
    """It is open elsewhere."""

    code = "busy"


class StateWriteFailed(StateError):
    """The disk or its permissions refuse; what was set stays in memory and is tried again."""

    code = "unwritable"
