"""The log of a module: `<time> <level> <module> seq=<n> <message>`, one write(2) a line, to standard output.

Line numbers go on over restarts, so that a reader can prove that no line was lost, doubled or moved. Where
they stopped is read from the log itself if there is one, for only it knows what was really written; else from
a note in the state.
"""

import datetime
import os
import re
import threading

TAIL = 65536


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _tail(path):
    """The end of a file which may be cut at the front while we look."""
    try:
        with open(path, "rb") as file:
            while True:
                size = os.fstat(file.fileno()).st_size
                data = os.pread(file.fileno(), TAIL, max(0, size - TAIL))
                if data or size == 0:
                    return data
    except FileNotFoundError:
        return b""


class Logbook:
    def __init__(self, module, log_path, note_path):
        self.module = module
        self.lock = threading.Lock()
        self.unwritten = b""
        self.note = os.open(note_path, os.O_RDWR | os.O_CREAT, 0o644)
        self.next = self._last(log_path) + 1

    def _last(self, log_path):
        tail = _tail(log_path) if log_path else b""
        if tail and not tail.endswith(b"\n"):
            self.unwritten = b"\n"  # the killed run left half a line: close it before ours
        numbers = re.findall(rb"(?m)^\S+Z [A-Z]+ %s seq=(\d+) " % self.module.encode(), tail)
        return int(numbers[-1] if numbers else os.pread(self.note, 20, 0) or 0)

    def write(self, level, message):
        with self.lock:
            line = self.unwritten + f"{now_text()} {level} {self.module} seq={self.next} {message}\n".encode()
            try:
                self.unwritten = line[os.write(1, line) :]
            except OSError:
                return  # a full disk must not stop trading; the number stays free for the next line
            os.pwrite(self.note, b"%020d" % self.next, 0)
            self.next += 1
