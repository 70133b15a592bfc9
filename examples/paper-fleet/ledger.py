"""The exchange's ledger: one JSON line an entry, only ever appended, synced before anybody hears of it."""

import json
import os
import time

import durable


class Ledger:
    def __init__(self, path, opening):
        self.path, self.entries = path, []
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._replay()
        if not self.entries:
            self.append({"kind": "open", **opening})

    def _replay(self):
        data = b"".join(iter(lambda: os.read(self.file, 1 << 20), b""))
        self.size = data.rfind(b"\n") + 1
        os.ftruncate(self.file, self.size)  # half a line was never answered, so it never happened
        for line in data[: self.size].splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {}
            if entry.get("seq") != len(self.entries) + 1:
                raise durable.Corrupt(
                    f"{self.path}: line {len(self.entries) + 1} is not what was written there"
                )
            self.entries.append(entry)

    def append(self, entry):
        entry = {"seq": len(self.entries) + 1, "at": time.time(), **entry}
        line = json.dumps(entry).encode() + b"\n"
        try:
            if os.write(self.file, line) != len(line):
                raise OSError("the disk is full")
            os.fsync(self.file)
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size += len(line)
        self.entries.append(entry)
        return entry
