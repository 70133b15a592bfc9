"""State that survives kill -9, a full disk and a torn write.

A state file is replaced as a whole, never edited: the new generation is complete on disk before it takes the
name, the one before it stays beside it as .bak, and .born remembers that there ever was one. So `load` can
tell "first start" from "my memory is gone", and for a trader only the first may begin empty.
"""

import hashlib
import json
import os


class Corrupt(Exception):
    """What should be here is damaged or gone; to go on would be to trade on an invented memory."""


def _checksum(state):
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _sync_directory(path):
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_synced(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def save(path, state):
    """When this returns, the state is on disk; if it never returns, the one before it is."""
    document = json.dumps({"sha256": _checksum(state), "state": state}, sort_keys=True)
    _write_synced(path + ".tmp", document.encode() + b"\n")
    if _read(path) is not None:  # a damaged one must not take the place of a good .bak
        # A second name for the old generation, not a move: at no instant is `path` missing.
        if os.path.exists(path + ".bak.tmp"):
            os.unlink(path + ".bak.tmp")
        os.link(path, path + ".bak.tmp")
        os.replace(path + ".bak.tmp", path + ".bak")
    os.replace(path + ".tmp", path)
    _sync_directory(path)
    _mark_born(path)


def _mark_born(path):
    # After the state itself: the other way round a kill in between would look like lost memory for ever.
    if not os.path.exists(path + ".born"):
        _write_synced(path + ".born", b"this state has existed; if it is missing, it was lost\n")
        _sync_directory(path)


def _read(path):
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
        state = document["state"]
        return state if document["sha256"] == _checksum(state) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(path):
    """The newest whole generation; None if there has never been one; raises Corrupt otherwise."""
    for generation in (path, path + ".bak"):
        state = _read(generation)
        if state is not None:
            _mark_born(path)
            return state
    traces = [name for name in (path, path + ".bak", path + ".born") if os.path.exists(name)]
    if traces:
        raise Corrupt(f"no readable generation of {path}, but it existed: {', '.join(traces)}")
    return None


def append(path, record):
    """Adds one JSON line and syncs it. A torn last line of an earlier life is closed first."""
    with open(path, "ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
