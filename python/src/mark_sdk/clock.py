"""The time, with how far it may be believed.

`adjtimex` answers without privileges; where it cannot be asked the offset is None and the quality "unknown".
"""

from __future__ import annotations

import struct
import time
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional, Tuple

_UNSYNCHRONISED = 0x0040
_NANOSECONDS = 0x2000
_TIME_ERROR = 5
_KEEP_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_adjtimex: Any = None
_asked: Optional[Tuple[int, Optional[float], str]] = None


class Now(NamedTuple):
    unix_ns: int
    iso: str
    """RFC 3339, UTC, milliseconds."""
    monotonic_ns: int
    offset_ms: Optional[float]
    """What the kernel still has to correct; None where unknown."""
    quality: str
    """synchronised, unsynchronised or unknown."""


def now() -> Now:
    """The current time. The clock's quality is asked at most once a second."""
    global _asked
    unix_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
    asked = _asked
    if asked is None or monotonic_ns - asked[0] >= _KEEP_NS:
        asked = _asked = (monotonic_ns, *_ask())
    return Now(unix_ns, iso(unix_ns), monotonic_ns, asked[1], asked[2])


def iso(unix_ns: int) -> str:
    instant = _EPOCH + timedelta(microseconds=unix_ns // 1000)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def _ask() -> Tuple[Optional[float], str]:
    global _adjtimex
    if struct.calcsize("l") != 8:
        return None, "unknown"
    try:
        import ctypes

        if _adjtimex is None:
            _adjtimex = ctypes.CDLL(None).adjtimex
        timex = ctypes.create_string_buffer(512)
        answer = _adjtimex(timex)
    except Exception:  # no ctypes, no libc, no adjtimex
        return None, "unknown"
    if answer < 0:
        return None, "unknown"
    # struct timex of 64 bit Linux: u32 modes, long offset, freq, maxerror, esterror, int status
    offset, status = struct.unpack_from("=q", timex.raw, 8)[0], struct.unpack_from("=i", timex.raw, 40)[0]
    if answer == _TIME_ERROR or status & _UNSYNCHRONISED:
        return None, "unsynchronised"
    return offset / (1e6 if status & _NANOSECONDS else 1e3), "synchronised"
