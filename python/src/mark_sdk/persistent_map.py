"""PersistentMap: what a module must not forget. A dict of JSON values that survives kill -9, restarts and
upgrades.

    positions = PersistentMap("positions")
    positions["BTC"] = {"amount": 1.5}                  # in memory at once, on the disk within 200 ms
    positions.set("order-7", order, durable=True)       # on the disk when it returns
    with positions.transaction(durable=True) as both:   # all or none
        both["BTC"] = ...
        del both["order-7"]

Safe for threads. Reading, set and delete never wait for the disk; flush, durable writes and opening do.
It never starts empty because something was lost: it raises StateLost.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type, Union

from .environment import whole_number
from .json_text import check_key, from_text, to_text
from .safe_point import forget_lock, make_lock
from .state_error import StateError, StateWriteFailed
from .state_file import StateFile
from .transaction import Transaction

INTERVAL_S = 0.2
CLOSE_S = 5.0
AGAIN_S = (0.2, 2.0)
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_MISSING: Any = object()


class PersistentMap(MutableMapping[str, Any]):
    """Opens `<name>.db` in `dir` (default: MARK_STATE_DIR), proven whole, or raises StateError.

    `interval` is the longest time in seconds that a change stays in memory only. Values are copies: change
    one and set it again.
    """

    def __init__(
        self, name: str, *, dir: Union[str, Path, None] = None, interval: float = INTERVAL_S
    ) -> None:
        self._closed = True
        place = dir if dir is not None else os.environ.get("MARK_STATE_DIR")
        if not place:
            raise StateError(
                "PersistentMap: no directory. MARK sets MARK_STATE_DIR; elsewhere pass dir='./.state'"
            )
        if not NAME.match(name):
            raise StateError(f"PersistentMap: {name!r} is no name: [a-z][a-z0-9_-]{{0,62}}")
        self._file = StateFile(Path(place).absolute(), name, whole_number(os.environ.get("MARK_FENCE")))
        self._interval = interval
        self._data = self._file.rows
        self._file.rows = {}
        self._pending: Dict[str, Optional[str]] = {}
        self._error: Optional[StateError] = None
        self._forked = False
        self._lock = make_lock()  # memory: never held while the disk is waited for
        self._disk = make_lock()  # the file; taken before _lock
        self._turns = threading.RLock()
        self._wake = threading.Event()
        self._end = threading.Event()
        self._ended = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._deadline = 0.0
        self._closed = False
        _maps[id(self)] = self

    @classmethod
    def open(
        cls, name: str, *, dir: Union[str, Path, None] = None, interval: float = INTERVAL_S
    ) -> PersistentMap:
        return cls(name, dir=dir, interval=interval)

    # reading: memory only

    def __getitem__(self, key: str) -> Any:
        return from_text(self._data[key])

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[str]:
        """Over the keys of this moment: what changes meanwhile does not matter."""
        with self._lock:
            return iter(list(self._data))

    # writing

    def set(self, key: str, value: Any, *, durable: bool = False) -> None:
        """`durable`: returns when it is on the disk. An earlier background write that failed is raised here;
        the value is taken nevertheless, and tried again with the rest."""
        check_key(key)
        text = to_text(value)
        with self._lock:
            self._must_be_open()
            self._data[key] = text
            error = self._due(key, text)
        if error is not None:
            raise error
        if durable:
            self.flush()

    def delete(self, key: str, *, durable: bool = False) -> bool:
        """Whether it was there."""
        with self._lock:
            self._must_be_open()
            there = self._data.pop(key, None) is not None
            error = self._due(key, None) if there else None
        if error is not None:
            raise error
        if durable:
            self.flush()
        return there

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        with self.transaction() as changes:
            return changes.pop(key) if default is _MISSING else changes.pop(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        with self.transaction() as changes:
            return changes.setdefault(key, default)

    def update(self, *args: Any, **values: Any) -> None:
        """All or none."""
        with self.transaction() as changes:
            changes.update(*args, **values)

    def clear(self) -> None:
        with self.transaction() as changes:
            for key in list(changes):
                del changes[key]

    def transaction(self, *, durable: bool = False) -> Transaction:
        """Several changes, all or none: `with map.transaction() as changes:`. Those of other threads wait for
        it; an exception within leaves everything as it was."""
        return Transaction(self, durable)

    def flush(self) -> None:
        """Returns when everything set before is on the disk; raises StateError where it cannot be written."""
        self._write_due()

    async def aflush(self) -> None:
        """flush() for asyncio: the loop goes on meanwhile."""
        await _in_thread(self.flush)

    async def aclose(self) -> None:
        await _in_thread(self.close)

    def close(self) -> None:
        """Writes what is due and lets go of the file, within 5 s whatever the disk does. Raises StateError
        where something is not on the disk."""
        with self._lock:
            if self._closed or self._forked:
                self._closed = True
                return
            self._closed = True
            self._deadline = time.monotonic() + CLOSE_S - 0.5
            self._end.set()
            self._wake.set()
            self._start()
        self._ended.wait(CLOSE_S)
        with self._lock:
            if self._pending or not self._ended.is_set():
                count = len(self._pending)
                raise self._error or StateWriteFailed(
                    f"{self._file}: closed, but {count} changes are not on the disk"
                )

    def stop(self) -> None:
        """close()."""
        self.close()

    def __enter__(self) -> PersistentMap:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # within

    def _take(self, changes: Dict[str, Optional[str]]) -> None:
        error = None
        with self._lock:
            self._must_be_open()
            for key, text in changes.items():
                if text is None:
                    self._data.pop(key, None)
                else:
                    self._data[key] = text
                error = self._due(key, text) or error
        if error is not None:
            raise error

    def _due(self, key: str, text: Optional[str]) -> Optional[StateError]:
        """Under _lock. What it returns is to be raised after."""
        self._pending[key] = text
        if not self._wake.is_set():
            self._wake.set()
            self._start()
        if self._error is None:
            return None
        error, self._error = self._error, None
        return error

    def _must_be_open(self) -> None:
        if self._forked:
            raise StateError(f"{self._file} was opened before a fork and belongs to the parent")
        if self._closed:
            raise StateError(f"{self._file} is closed")

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"mark-map-{self._file.name}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no thread to be had: said, and tried again at the next set
                self._error = StateWriteFailed(f"{self._file} cannot be written: {error}")
                return
            self._thread = thread

    def _run(self) -> None:
        again = 0.0
        while not self._ended.is_set():
            self._wake.wait()
            self._end.wait(max(again, self._interval) if again or not self._end.is_set() else 0)
            if self._end.is_set() and again:
                time.sleep(min(again, AGAIN_S[0]))
            self._wake.clear()
            try:
                self._write_due()
                again = 0.0
            except StateError as error:
                with self._lock:
                    self._error = error
                again = min(AGAIN_S[1], max(again * 2, AGAIN_S[0]))
                self._wake.set()
            except Exception as error:
                with self._lock:
                    self._error = StateWriteFailed(f"{self._file} cannot be written: {error!r}")
                again = AGAIN_S[1]
                self._wake.set()
            if self._end.is_set() and (not again or time.monotonic() >= self._deadline - AGAIN_S[0]):
                with self._disk:
                    self._file.close()
                _maps.pop(id(self), None)
                forget_lock(self._lock)
                forget_lock(self._disk)
                self._ended.set()

    def _write_due(self) -> None:
        if self._forked:
            self._must_be_open()
        with self._disk:
            with self._lock:
                batch = self._pending
                if not batch:
                    return
                self._pending = {}
            try:
                self._file.write(batch)
            except BaseException:
                with self._lock:
                    batch.update(self._pending)
                    self._pending = batch
                raise
            with self._lock:
                self._error = None

    def _before_fork(self) -> None:
        """No transaction is under way in what the child gets. A disk that hangs must not hang the fork for
        ever."""
        self._held = self._disk.acquire(timeout=CLOSE_S), self._lock.acquire(timeout=CLOSE_S)

    def _after_fork_in_parent(self) -> None:
        for held, lock in zip(self._held, (self._disk, self._lock)):
            if held:
                lock.release()

    def _after_fork_in_child(self) -> None:
        self._forked = True
        forget_lock(self._lock)
        forget_lock(self._disk)
        self._lock, self._disk, self._turns = make_lock(), make_lock(), threading.RLock()
        self._pending, self._thread = {}, None
        self._file.leave_to_parent()


async def _in_thread(work: Callable[[], None]) -> None:
    import asyncio

    await asyncio.get_running_loop().run_in_executor(None, work)


_maps: Dict[int, PersistentMap] = {}


def _open_maps() -> List[PersistentMap]:
    return [each for each in list(_maps.values()) if not each._closed or each._thread is not None]


_forking: List[PersistentMap] = []


def _before_fork() -> None:
    _forking[:] = _open_maps()
    for each in _forking:
        each._before_fork()


def _after_fork_in_parent() -> None:
    for each in _forking:
        each._after_fork_in_parent()
    _forking.clear()


def _after_fork_in_child() -> None:
    for each in _forking:
        each._after_fork_in_child()
    _forking.clear()


def _at_exit() -> None:
    for each in _open_maps():
        try:
            each.close()
        except StateError as error:
            print(f"mark_sdk: {error}", file=sys.stderr)


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
atexit.register(_at_exit)
