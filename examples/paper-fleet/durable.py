"""Lines that survive kill -9, and what there is to say when a memory is lost."""

import json
import os


class Corrupt(Exception):
    """What should be here is damaged or gone; to go on would be to trade on an invented memory."""


def append(path, record):
    """Adds one JSON line and syncs it. A torn last line of an earlier life is closed first."""
    with open(path, "ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
