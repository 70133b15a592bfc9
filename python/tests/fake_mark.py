"""MARK's end of the socket, for tests: listens, keeps what was said, answers when told."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from typing import Any, Callable, Dict, List


def until(condition: Callable[[], Any], seconds: float = 10, seen: Any = None) -> Any:
    """Waits for a condition; fails loudly."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {seen}")
        time.sleep(0.005)


class FakeMark:
    def __init__(self, path: str, reads: bool = True) -> None:
        self.path, self.reads = path, reads
        self.heard: List[Dict[str, Any]] = []
        self.links: List[socket.socket] = []
        self.halt = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(path)
        self._server.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def of(self, kind: str) -> List[Dict[str, Any]]:
        return [message for message in self.heard if message["type"] == kind]

    def say(self, **message: Any) -> None:
        self.raw(json.dumps(message).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self.links[-1].sendall(data)

    def close(self) -> None:
        os.unlink(self.path)
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for link in self.links:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            self.links.append(link)
            if self.reads:
                threading.Thread(target=self._read, args=(link,), daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        kept = b""
        while True:
            try:
                data = link.recv(65536)
            except OSError:
                return
            if not data:
                return
            *lines, kept = (kept + data).split(b"\n")
            for line in lines:
                assert len(line) < 65536
                message = json.loads(line)
                if message["type"] == "hello":
                    self._welcome(link)
                self.heard.append(message)

    def _welcome(self, link: socket.socket) -> None:
        try:
            link.sendall(json.dumps({"type": "welcome", "v": 1, "halt": self.halt, "ts": 1}).encode() + b"\n")
        except OSError:  # gone already; what it said is read all the same
            pass
