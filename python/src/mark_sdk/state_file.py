"""The file of a PersistentMap (docs/persistent-map.md): opened only where it is proven whole, written only in
whole transactions. Everything here may wait for the disk.

It never opens the database but by SQLite: closing it would let go of SQLite's locks.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, List, NoReturn, Optional, Set, Tuple

from .file_identity import FileIdentity
from .json_text import from_text
from .state_error import StateBusy, StateError, StateFenced, StateLost, StateWriteFailed

BUSY_S = 5.0
FORMAT = 1
TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID",
)
META = ("check", "count", "fence", "format", "sum")
_DISK = (
    "disk is full",
    "disk I/O error",
    "unable to open",
    "readonly",
    "read-only",
    "permission",
    "out of memory",
)
_BUSY = ("locked", "busy")

_open_here: Set[Tuple[int, int, str]] = set()
_open_lock = threading.Lock()


class StateFile:
    """`rows` is what the file held when it was opened, JSON text by key; the caller takes it over."""

    def __init__(
        self, directory: Path, name: str, fence: Optional[int] = None, wait_s: float = BUSY_S
    ) -> None:
        self.name, self.directory = name, directory
        self.rows: Dict[str, str] = {}
        self._path = directory / f"{name}.db"
        self._marker = directory / f"{name}.exists"
        self._connection: Optional[sqlite3.Connection] = None
        self._identity: Optional[FileIdentity] = None
        with self._trouble(opening=True):
            # One level only: where the level above is missing, a disk may be, and the map is elsewhere.
            directory.mkdir(mode=0o700, exist_ok=True)
            place = os.stat(directory)
            self._claim = (place.st_dev, place.st_ino, name)
            with _open_lock:
                if self._claim in _open_here:
                    raise StateBusy(f"{self} is open in this process already")
                _open_here.add(self._claim)
            try:
                self._open(fence, wait_s)
            except BaseException:
                self.close()
                raise

    def __str__(self) -> str:
        return f"PersistentMap {self.name} in {self.directory}"

    def write(self, changes: Mapping[str, Optional[str]]) -> None:
        """All of `changes` (None: delete) or none, on the disk when it returns. When it raises, none is
        certain to be there and all may be written again."""
        with self._trouble(opening=False):
            db = self._still_ours()
            db.execute("BEGIN IMMEDIATE")
            try:
                said = self._apply(db, changes)
                db.execute("COMMIT")
                self._said = said
            except BaseException:
                if db.in_transaction:
                    try:
                        db.execute("ROLLBACK")
                    except sqlite3.Error:  # SQLite has rolled back by itself, or does at the next transaction
                        pass
                raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        finally:
            with _open_lock:
                _open_here.discard(self._claim)

    def leave_to_parent(self) -> None:
        """In a forked child: the connection is the parent's, and must not even be closed here."""
        connection, self._connection = self._connection, None
        with _open_lock:
            _open_here.discard(self._claim)
        try:
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        except Exception:
            _kept_for_parents.append(connection)

    def _open(self, fence: Optional[int], wait_s: float) -> None:
        if os.path.lexists(self._marker) and not os.path.lexists(self._path):
            self._lost("its database is gone")
        db = sqlite3.connect(str(self._path), timeout=wait_s, isolation_level=None, check_same_thread=False)
        self._connection = db
        db.text_factory = bytes
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        # Exclusive mode begins within a transaction: set before, one that waits would keep a shared lock, and
        # two would wait for each other. It is rolled back and not committed: a commit makes a header in a
        # file that was cut to less than one.
        db.execute("BEGIN EXCLUSIVE")
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("ROLLBACK")
        mode = db.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0]
        if mode not in (b"truncate", "truncate"):
            raise StateError(f"{self}: SQLite refuses journal_mode=TRUNCATE")
        db.execute("PRAGMA synchronous=FULL")
        self._identity = FileIdentity(self.directory, self._path)
        is_new = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_new and os.path.lexists(self._marker):
            self._lost("its database is empty")
        count, total, had = (0, 0, 0) if is_new else self._prove(db)
        if not is_new:
            # What may only be read opens, too: the module would learn at its first write.
            db.execute("DELETE FROM entries WHERE 0")
        if fence is not None and had > fence:
            raise StateFenced(f"{self} belongs to a later run: its fence is {had}, ours is {fence}")
        self._fence = had if fence is None else fence
        self._said = count, total
        if is_new or self._fence != had:
            db.execute("BEGIN IMMEDIATE")
            for table in TABLES if is_new else ():
                db.execute(table)
            if is_new:
                db.executemany("INSERT INTO meta VALUES (?, ?)", [(name, FORMAT) for name in META])
            self._say(db, count, total)
            db.execute("COMMIT")
        if not os.path.lexists(self._marker):
            self._mark()
        if not is_new:
            self._keep_generation(db)

    def _apply(self, db: sqlite3.Connection, changes: Mapping[str, Optional[str]]) -> Tuple[int, int]:
        count, total = self._now(db)
        gone: List[Tuple[str]] = []
        rows: List[Tuple[str, str, int]] = []
        find = db.cursor()
        for key, text in changes.items():
            old = find.execute("SELECT crc FROM entries WHERE key = ?", (key,)).fetchone()
            if old is not None:
                count -= 1
                total -= old[0]
            if text is not None:
                crc = zlib.crc32(f"{key}\0{text}".encode())
                rows.append((key, text, crc))
                count += 1
                total += crc
            elif old is not None:
                gone.append((key,))
        if gone:
            db.executemany("DELETE FROM entries WHERE key = ?", gone)
        if rows:
            db.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
        total %= 2**32
        self._say(db, count, total)
        return count, total

    def _now(self, db: sqlite3.Connection) -> Tuple[int, int]:
        """Count and sum. All of meta is read only when its check is another one than this process wrote last:
        after a commit that failed, or by a fault."""
        check = db.execute("SELECT value FROM meta WHERE name = 'check'").fetchone()
        if check is not None and check[0] == _check(*self._said, self._fence):
            return self._said
        count, total, fence = self._meta(db)
        if fence != self._fence:
            raise StateFenced(f"{self} belongs to another run: its fence is {fence}, ours is {self._fence}")
        return count, total

    def _say(self, db: sqlite3.Connection, count: int, total: int) -> None:
        db.execute(
            "UPDATE meta SET value = CASE name WHEN 'count' THEN ? WHEN 'sum' THEN ?"
            " WHEN 'fence' THEN ? ELSE ? END"
            " WHERE name IN ('count', 'sum', 'fence', 'check')",
            (count, total, self._fence, _check(count, total, self._fence)),
        )

    def _meta(self, db: sqlite3.Connection) -> Tuple[int, int, int]:
        found = db.execute("SELECT name, value FROM meta ORDER BY name").fetchall()
        if tuple(row[0].decode() for row in found) != META or not all(type(row[1]) is int for row in found):
            self._lost("its meta table is damaged")
        check, count, fence, form, total = (row[1] for row in found)
        if check != _check(count, total, fence, form):
            self._lost("its check does not match")
        if form != FORMAT:
            raise StateError(f"{self}: its format is {form}, this version knows {FORMAT}")
        return count, total, fence

    def _prove(self, db: sqlite3.Connection) -> Tuple[int, int, int]:
        """Fills `rows`, or raises StateLost."""
        schema = db.execute("SELECT sql FROM sqlite_master ORDER BY name DESC").fetchall()
        # A flipped bit in a column's type would compare keys otherwise and go unnoticed.
        if tuple(b" ".join((row[0] or b"").split()).decode() for row in schema) != TABLES:
            self._lost("its tables are not those of a map")
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict not in (b"ok", "ok"):
            self._lost(f"SQLite finds it damaged: {verdict!r}")
        count, total, fence = self._meta(db)
        found = 0
        for key, value, crc in db.execute("SELECT key, value, crc FROM entries"):
            if type(key) is not bytes or type(value) is not bytes or zlib.crc32(key + b"\0" + value) != crc:
                self._lost(f"the entry {key!r:.100} is damaged")
            text = value.decode()
            from_text(text)
            self.rows[key.decode()] = text
            found += crc
        if len(self.rows) != count:
            self._lost(f"it has {len(self.rows)} entries and should have {count}")
        if found % 2**32 != total:
            self._lost("its entries are not all of one generation")
        return count, total, fence

    def _mark(self) -> None:
        """From now on a missing database is a lost one."""
        handle = os.open(self._marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._sync_directory()

    def _sync_directory(self) -> None:
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _keep_generation(self, db: sqlite3.Connection) -> None:
        """For people, so a disk without room for it must not keep the module from its state."""
        draft = self.directory / f"{self.name}.db.bak.new"
        try:
            draft.unlink()
        except OSError:
            pass
        try:
            db.execute("VACUUM INTO ?", (str(draft),))
            os.replace(draft, self.directory / f"{self.name}.db.bak")
        except (sqlite3.Error, OSError):
            try:
                draft.unlink()
            except OSError:
                pass

    def _still_ours(self) -> sqlite3.Connection:
        if self._connection is None or self._identity is None:
            raise StateError(f"{self} is closed")
        if not self._identity.is_same():
            raise StateWriteFailed(f"{self}: its database was removed or replaced while it was open")
        return self._connection

    def _lost(self, why: str) -> NoReturn:
        raise StateLost(f"{self}: {why}. It will not start empty: {self.name}.db.bak is older.")

    @contextmanager
    def _trouble(self, opening: bool) -> Iterator[None]:
        """Errors of SQLite and of the file system, as what they mean for the map. While it is opened,
        whatever is not the disk's or another process's doing means that it is not proven whole."""
        try:
            yield
        except OSError as error:
            raise StateWriteFailed(f"{self} cannot be read or written: {error}") from error
        except (sqlite3.Error, UnicodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
            text = str(error)
            if any(word in text for word in _BUSY):
                raise StateBusy(f"{self} is open in another process ({text})") from error
            if any(word in text for word in _DISK):
                raise StateWriteFailed(f"{self} cannot be read or written: {text}") from error
            if opening or any(word in text for word in ("malformed", "not a database")):
                raise StateLost(f"{self} is not whole: {text}. {self.name}.db.bak is older.") from error
            raise StateWriteFailed(f"{self} cannot be written: {text}") from error


_kept_for_parents: List[object] = []


def _check(count: int, total: int, fence: int, form: int = FORMAT) -> int:
    return zlib.crc32(f"{form},{count},{total},{fence}".encode())
