"""Whether a map's database is still the file of its name: a write to one that was removed or replaced would
be no write. Looks at the directory and only after a change there at the file: a stat of the file makes the
kernel write its times anew, and each fsync after it a tenth slower. Must never open the file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Optional, Tuple

# The times of every file system are finer than this: what came later shows.
SETTLED_S = 3.0


class FileIdentity:
    def __init__(self, directory: Path, path: Path) -> None:
        self._directory, self._path = str(directory), str(path)
        self._inode = _inode(self._path)
        # As the directory is now, and since when it is known so.
        self._seen: Tuple[int, ...] = ()
        self._seen_s = 0.0
        # As the directory was when the file was looked at, and nothing more could come at that very time.
        self._settled: Optional[Tuple[int, ...]] = None

    def is_same(self) -> bool:
        try:
            found = os.stat(self._directory)
            now = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            if now == self._settled:
                return True
            now_s = time.monotonic()
            if now != self._seen:
                self._seen, self._seen_s = now, now_s
            if _inode(self._path) != self._inode:
                return False
            if now_s - self._seen_s > SETTLED_S:
                self._settled = now
            return True
        except FileNotFoundError:
            return False


def _inode(path: str) -> Tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
