"""The kill switch as a module sees it: the strictest of its halt file and of what MARK says over the socket.

The file is the truth that needs no MARK process; what is there and cannot be read means halt.
"""

from __future__ import annotations

import os
import stat
from typing import Optional

LEVELS = ("pause", "halt", "flatten")


def strictest(*levels: Optional[str]) -> Optional[str]:
    return max(levels, key=lambda level: 0 if level is None else LEVELS.index(level) + 1)


def read_halt_level(halt_file: Optional[str]) -> Optional[str]:
    """None, "pause", "halt" or "flatten", from `halt_file` and the KILL file two directories above. Never
    raises."""
    if halt_file is None:
        return None
    level = _of_file(halt_file)
    kill = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(halt_file))), "KILL")
    return strictest(level, "halt") if _is_there(kill) else level


def _of_file(path: str, tries: int = 5) -> Optional[str]:
    try:
        # A FIFO would block the reader for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if not _is_there(path):
            return None
        # A link to nowhere; or it was made at this very moment.
        return _of_file(path, tries - 1) if tries else "halt"
    except (OSError, ValueError):
        return "halt"
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "halt"
        text = os.read(handle, 64).decode("ascii", "replace").strip()
    except OSError:
        return "halt"
    finally:
        os.close(handle)
    return text if text in LEVELS else "halt"


def _is_there(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return True
