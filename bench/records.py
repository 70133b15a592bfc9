"""What the modules report: a FIFO with one record a line, see c/module.c: (kind, module, number, number).
Times are CLOCK_MONOTONIC nanoseconds, the clock of time.monotonic_ns()."""
import fcntl
import os
import select
import time

F_SETPIPE_SZ = 1031


class Records:
    def __init__(self, path):
        self.path = path
        self.carry = b""
        self.seen = []
        os.mkfifo(path)
        # Opened for writing too, so that a FIFO without a single module is not at its end.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.fd, F_SETPIPE_SZ, 1 << 20)

    def close(self):
        os.close(self.fd)
        os.unlink(self.path)

    def clear(self):
        self.read(0)
        self.seen.clear()

    def read(self, timeout_s):
        if not select.select([self.fd], [], [], max(0, timeout_s))[0]:
            return
        *lines, self.carry = (self.carry + os.read(self.fd, 1 << 20)).split(b"\n")
        for line in lines:
            kind, module, first, second = line.decode().split(" ")
            self.seen.append((kind, module, int(first), int(second)))

    def starts(self, modules, timeout_s):
        """{module: (pid, ns)} of the first start of each; those that did not start in time are missing."""
        wanted = set(modules)
        found = {}
        deadline = time.monotonic() + timeout_s
        while True:
            for record in self.drop("S"):
                if record[1] in wanted:
                    found.setdefault(record[1], record[2:])
            left = deadline - time.monotonic()
            if len(found) == len(wanted) or left <= 0:
                return found
            self.read(left)

    def take(self, kind, count, timeout_s):
        """The next `count` records of that kind, fewer when the time is over."""
        found = []
        deadline = time.monotonic() + timeout_s
        while True:
            found += self.drop(kind)
            left = deadline - time.monotonic()
            if len(found) >= count or left <= 0:
                return found
            self.read(left)

    def drop(self, kind):
        taken = [record for record in self.seen if record[0] == kind]
        self.seen = [record for record in self.seen if record[0] != kind]
        return taken
