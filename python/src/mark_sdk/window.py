"""What a publisher keeps, so that a broker that is killed or away loses nothing of it: the messages of the
last 10 s (at most 1,000, 4 MB) and the newest retained one of each topic, within the same bounds.

No clock and no lock of its own: its owner passes both. It promises the order of publishing, and counts what
it gave up before a broker had it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Deque, Optional

AGE_S = 10.0
COUNT_MAX = 1000
BYTES_MAX = 4_000_000


class Kept:
    """One message. `written`: on this connection; `confirmed`: some broker had it."""

    __slots__ = ("at", "bytes", "confirmed", "inside", "payload", "qos", "retain", "skip", "topic", "written")

    def __init__(self, topic: str, payload: bytes, qos: int, retain: bool, at: float) -> None:
        self.topic, self.payload, self.qos, self.retain, self.at = topic, payload, qos, retain, at
        self.bytes = len(topic) + len(payload)
        self.written = self.confirmed = self.skip = False
        self.inside = True


class Window:
    def __init__(self) -> None:
        self._kept: Deque[Kept] = deque()
        self._bytes = 0
        self._retained: OrderedDict[str, Kept] = OrderedDict()
        self._retained_bytes = 0
        self._queue: Deque[Kept] = deque()
        self._replayed = 0
        self._is_open = False
        self.dropped = 0

    @property
    def waiting(self) -> bool:
        """Something is to be written."""
        return bool(self._queue) or not self._is_open and any(not kept.confirmed for kept in self._kept)

    @property
    def replaying(self) -> bool:
        """What was kept before this connection is still being written."""
        return self._replayed > 0

    def add(self, kept: Kept) -> None:
        self._kept.append(kept)
        self._bytes += kept.bytes
        if kept.retain:
            self._retain(kept)
        if self._is_open:
            self._queue.append(kept)
        self.trim(kept.at)

    def open(self, now: float) -> None:
        """A connection stands: retained messages that are older than what is kept, then what is kept."""
        self.trim(now)
        older = [kept for kept in self._retained.values() if not kept.inside]
        self._queue = deque([*older, *self._kept])
        for kept in self._queue:
            kept.written = kept.skip = False
        self._replayed = len(self._queue)
        self._is_open = True

    def next(self) -> Optional[Kept]:
        """What is to be written now."""
        while self._queue:
            kept = self._queue.popleft()
            self._replayed = max(0, self._replayed - 1)
            if not kept.skip:
                kept.written = True
                return kept
        return None

    def close(self, flying: Iterable[Kept]) -> None:
        """The connection is lost; `flying` was written and never confirmed."""
        self._is_open = False
        self._queue.clear()
        self._replayed = 0
        for kept in self._kept:
            kept.written = False
        for kept in flying:
            if not kept.inside:
                self._lose(kept)

    def trim(self, now: float) -> None:
        """Lets go of what is too old or too much."""
        while self._kept:
            oldest = self._kept[0]
            is_large = self._bytes > BYTES_MAX
            if not (is_large or now - oldest.at > AGE_S or len(self._kept) > COUNT_MAX):
                return
            if self._is_open and not oldest.written and not is_large:
                return  # a broker is there and will have it: the count is for what waits for none
            self._kept.popleft()
            self._bytes -= oldest.bytes
            oldest.inside = False
            if not oldest.written:
                oldest.skip = True
                self._lose(oldest)

    def _retain(self, kept: Kept) -> None:
        gone = [self._retained.pop(kept.topic)] if kept.topic in self._retained else []
        self._retained[kept.topic] = kept
        self._retained_bytes += kept.bytes - sum(each.bytes for each in gone)
        while len(self._retained) > COUNT_MAX or self._retained_bytes > BYTES_MAX:
            gone.append(self._retained.popitem(last=False)[1])
            self._retained_bytes -= gone[-1].bytes
        for each in gone:
            if each.skip:
                self._lose(each)

    def _lose(self, kept: Kept) -> None:
        if not kept.confirmed and self._retained.get(kept.topic) is not kept:
            self.dropped += 1
