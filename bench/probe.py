#!/usr/bin/env python3
"""probe.py SOCKET: asks a keeper `ping` once a millisecond from the moment its socket is there,
without waiting for answers, until its standard input is closed; prints [[ns when asked, ms until
answered], ...] as JSON. A ping that was never answered counts up to the end."""
import json
import select
import socket
import sys
import time

PERIOD_NS = 1_000_000
LAST_ANSWERS_S = 2
CONNECT_LIMIT_S = 120


def closed(stream):
    return bool(select.select([stream], [], [], 0)[0])


def connect(path):
    deadline = time.monotonic() + CONNECT_LIMIT_S
    while time.monotonic() < deadline and not closed(sys.stdin):
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(path)
            return link
        except OSError:
            link.close()
            time.sleep(0.001)
    return None


class Pings:
    def __init__(self, link):
        self.link = link
        self.asked = {}
        self.took = []
        self.carry = b""

    def ask(self):
        number = len(self.asked) + len(self.took)
        self.asked[number] = time.monotonic_ns()
        self.link.sendall(b'{"id":%d,"ask":"ping"}\n' % number)

    def answers(self, timeout_s):
        if not select.select([self.link], [], [], max(0, timeout_s))[0]:
            return
        came_ns = time.monotonic_ns()
        *lines, self.carry = (self.carry + self.link.recv(1 << 16)).split(b"\n")
        for line in lines:
            at = self.asked.pop(json.loads(line).get("id"), None)
            if at is not None:
                self.took.append((at, (came_ns - at) / 1e6))


def main():
    link = connect(sys.argv[1])
    if link is None:
        print("[]")
        return
    pings = Pings(link)
    next_ns = time.monotonic_ns()
    while not closed(sys.stdin):
        pings.ask()
        next_ns = max(next_ns + PERIOD_NS, time.monotonic_ns())
        while (left_ns := next_ns - time.monotonic_ns()) > 0:
            pings.answers(left_ns / 1e9)
    deadline = time.monotonic() + LAST_ANSWERS_S
    while pings.asked and time.monotonic() < deadline:
        pings.answers(deadline - time.monotonic())
    now = time.monotonic_ns()
    pings.took += [(at, (now - at) / 1e6) for at in pings.asked.values()]
    print(json.dumps(sorted(pings.took)))


if __name__ == "__main__":
    main()
