"""A broker of a few lines for tests: one thread a connection, a unix socket, retained messages, no sessions.
It can be ended in the middle of everything and come back. Its reading and writing are its own, so that it
finds what the SDK's codec gets wrong.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

from mark_sdk.topics import matches

from .fake_mark import until


class Peer:
    """One connection. `said`: (topic, payload) that it published."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.client_id = self.username = self.password = ""
        self.filters: List[str] = []
        self.said: List[Tuple[str, bytes]] = []
        self.lock = threading.Lock()

    def send(self, first: int, body: bytes) -> None:
        length, head = len(body), bytearray([first])
        while True:
            head.append(length % 128 | (128 if length > 127 else 0))
            length //= 128
            if not length:
                break
        with self.lock:
            try:
                self.sock.sendall(bytes(head) + body)
            except OSError:
                pass

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


class FakeBroker:
    """`may_publish(peer, topic, payload)`: False loses the message as a broker that dies would, without an
    acknowledgement. `settled(broker)`: no message passes before it is true."""

    def __init__(
        self,
        path: str,
        passwords: Optional[Dict[str, str]] = None,
        may_publish: Callable[[Peer, str, bytes], bool] = lambda *_: True,
        refused_filters: Tuple[str, ...] = (),
        settled: Callable[[FakeBroker], Any] = lambda _: True,
    ) -> None:
        self.path, self.passwords, self.may_publish = path, passwords, may_publish
        self.refused_filters, self.settled = refused_filters, settled
        self.peers: List[Peer] = []
        self.said: List[Tuple[str, bytes]] = []
        self.refused = 0
        self.is_closed = False
        self.retained: Dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(path)
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """As kill -9: no good-bye to anybody."""
        self.is_closed = True
        if os.path.lexists(self.path):
            os.unlink(self.path)
        for sock in [self._server, *(peer.sock for peer in self.peers)]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def data(self, topic: str) -> List[Any]:
        """What SDKs published to `topic`, in order."""
        return [json.loads(payload)["data"] for name, payload in list(self.said) if name == topic]

    def listens(self, username: str, filter: str) -> bool:
        peer = self.peer(username)
        return peer is not None and filter in peer.filters

    def peer(self, username: str) -> Optional[Peer]:
        found = [peer for peer in self.peers if peer.username == username]
        return found[-1] if found else None

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """As if some client had."""
        with self._lock:
            if retain:
                self.retained[topic] = payload
            for peer in self.peers:
                if any(matches(each, topic) for each in peer.filters):
                    self._give(peer, topic, payload, False)

    def _give(self, peer: Peer, topic: str, payload: bytes, retain: bool) -> None:
        name = topic.encode()
        body = struct.pack(">H", len(name)) + name + b"\x00\x07" + payload
        peer.send(0x32 | retain, body)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Peer(sock),), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        try:
            while True:
                first, length, shift = peer.take(1)[0], 0, 0
                while True:
                    byte = peer.take(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                if not self._take(peer, first, peer.take(length)):
                    break
        except (OSError, EOFError):
            pass
        peer.sock.close()
        if peer in self.peers:
            self.peers.remove(peer)

    def _take(self, peer: Peer, first: int, body: bytes) -> bool:
        kind = first >> 4
        if kind == 1:
            return self._connect(peer, body)
        if kind == 3:
            self._publish(peer, first, body)
        elif kind == 8:
            assert first == 0x82
            self._subscribe(peer, body)
        elif kind == 10:
            assert first == 0xA2
            peer.filters.remove(body[4:].decode())
            peer.send(0xB0, body[:2])
        elif kind == 12:
            peer.send(0xD0, b"")
        return kind != 14

    def _connect(self, peer: Peer, body: bytes) -> bool:
        assert body[:7] == b"\x00\x04MQTT\x04" and body[7] & 2, body[:8]
        fields, at = [], 10
        while at < len(body):
            size = struct.unpack_from(">H", body, at)[0]
            fields.append(body[at + 2 : at + 2 + size].decode())
            at += 2 + size
        peer.client_id, peer.username, peer.password = (*fields, "", "")[:3]
        if self.passwords is not None and self.passwords.get(peer.username) != peer.password:
            self.refused += 1
            peer.send(0x20, b"\x00\x04")
            return False
        with self._lock:
            self.peers.append(peer)
        peer.send(0x20, b"\x00\x00")
        return True

    def _publish(self, peer: Peer, first: int, body: bytes) -> None:
        size = struct.unpack_from(">H", body)[0]
        topic, at = body[2 : 2 + size].decode(), 2 + size
        qos = first >> 1 & 3
        payload = body[at + 2 :] if qos else body[at:]
        until(lambda: self.is_closed or self.settled(self))
        if self.is_closed or not self.may_publish(peer, topic, payload):
            return
        peer.said.append((topic, payload))
        self.said.append((topic, payload))
        self.publish(topic, payload, bool(first & 1))
        if qos:
            peer.send(0x40, body[at : at + 2])

    def _subscribe(self, peer: Peer, body: bytes) -> None:
        size = struct.unpack_from(">H", body, 2)[0]
        wanted = body[4 : 4 + size].decode()
        with self._lock:
            if wanted in self.refused_filters:
                peer.send(0x90, body[:2] + b"\x80")
                return
            if wanted not in peer.filters:
                peer.filters.append(wanted)
            peer.send(0x90, body[:2] + b"\x01")
            for topic, payload in self.retained.items():
                if matches(wanted, topic):
                    self._give(peer, topic, payload, True)
