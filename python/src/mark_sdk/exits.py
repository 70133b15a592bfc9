"""Exit codes by name: what MARK does after a module that ends by itself."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    """Asked to stop, or a task that is done."""
    HALTED = 10
    """Stays down while the kill switch is tripped."""
    RECONCILE = 11
    """Its books cannot be trusted: held until they are reconciled."""
    NEEDS_HUMAN = 12
    """Held until somebody lets it go."""
    TRY_LATER = 75
    """Started again after the longest delay; not counted as a failure."""
    CREDENTIALS = 77
    """Held: a key is missing or refused."""
    CONFIGURATION = 78
    """Failed: never started again with this configuration."""
