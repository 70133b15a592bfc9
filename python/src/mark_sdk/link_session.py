"""What is said and heard on a link's connection: what is to be written next, what the broker confirmed, and
who hears what comes. The client's thread asks (see mqtt_client.User); others only leave things, locked.

It promises the order of docs/link.md after a reconnection: subscriptions, retained messages, what was kept,
then what is new.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from . import mqtt_packet as mqtt
from .envelope import parse_json
from .protocol import warn_once
from .requesting import Requests
from .topics import matches
from .window import Kept, Window

FRAMES_BYTES = 65_536
FLYING_MAX = 1000
FLYING_BYTES_MAX = 1_000_000
SAID_MAX = 10_000
PRESENCE = "mark/presence/+"
PRESENCE_MAX = 10_000

Take = Callable[[str, bytes], None]


class LinkSession:
    def __init__(self, lock: Any, name: Optional[str]) -> None:
        self._lock, self._name = lock, name
        self.window = Window()
        self.requests = Requests()
        self.presence: Dict[str, str] = {}
        self._is_open = False
        self._routes: List[Tuple[str, Take]] = [(PRESENCE, self._hear_presence)]
        if name is not None:
            self._routes.append((f"reply/{name}/+", self._hear_reply))
        self._new_filters: Deque[str] = deque()
        self._old_filters: Deque[str] = deque()
        self._subscribing: Dict[int, str] = {}
        self._said: Deque[Tuple[str, bytes]] = deque()
        self._flying: Dict[int, Optional[Kept]] = {}  # by packet id; None: what nobody waits for
        self._flying_bytes = 0
        self._packet_id = 0

    # under the lock, of any thread

    @property
    def is_settled(self) -> bool:
        """Nothing waits to be written or confirmed."""
        return not (self.window.waiting or self._said or self._flying)

    def route(self, filter: str, take: Take) -> None:
        self._routes = [*self._routes, (filter, take)]
        if self._is_open:
            self._new_filters.append(filter)

    def unroute(self, filter: str, take: Take) -> None:
        self._routes = [route for route in self._routes if route != (filter, take)]
        if self._is_open and all(filter != other for other, _ in self._routes):
            self._new_filters = deque(each for each in self._new_filters if each != filter)
            self._old_filters.append(filter)

    def reply(self, sender: str, text: str) -> None:
        """One that finds no broker is lost: the request comes again."""
        if self._is_open and len(self._said) < SAID_MAX:
            self._said.append((f"reply/{sender}/{self._name}", text.encode()))

    # in the client's thread

    def opened(self) -> None:
        self._is_open = True
        self._new_filters = deque(dict.fromkeys(filter for filter, _ in self._routes))
        self._old_filters.clear()
        self.window.open(time.monotonic())
        self.requests.connected()

    def closed(self) -> None:
        self._is_open = False
        self.window.close([kept for kept in self._flying.values() if kept is not None])
        self._flying.clear()
        self._flying_bytes = 0
        self._subscribing.clear()
        self._said.clear()

    def due_at(self) -> Optional[float]:
        with self._lock:
            return self.requests.due_at() if self._may_ask() else None

    def frames(self) -> bytes:
        frames: List[bytes] = []
        size = 0
        with self._lock:
            while self._old_filters:
                frames.append(mqtt.unsubscribe(self._next_id(), self._old_filters.popleft()))
            while self._new_filters:
                frames.append(self._subscribe(self._new_filters.popleft()))
            while size < FRAMES_BYTES and self._has_room(1):
                kept = self.window.next()
                if kept is None:
                    break
                frames.append(self._publish(kept))
                size += len(frames[-1])
            while self._said and size < FRAMES_BYTES and self._has_room(2):
                frames.append(self._once(*self._said.popleft()))
                size += len(frames[-1])
            while size < FRAMES_BYTES and self._may_ask():
                asked = self.requests.next(time.monotonic())
                if asked is None:
                    break
                frames.append(self._once(asked.topic, asked.payload))
                size += len(frames[-1])
        return b"".join(frames)

    def received(self, packet: mqtt.Packet) -> None:
        if isinstance(packet, mqtt.Publish):
            for filter, take in self._routes:
                if matches(filter, packet.topic):
                    take(packet.topic, packet.payload)
        elif isinstance(packet, mqtt.Puback):
            with self._lock:
                kept = self._flying.pop(packet.packet_id, None)
                if kept is not None:
                    kept.confirmed = True
                    self._flying_bytes -= kept.bytes
        elif isinstance(packet, mqtt.Suback):
            refused = self._subscribing.pop(packet.packet_id, PRESENCE)
            if packet.codes[0] > 2 and refused != PRESENCE:
                warn_once(f"link-filter {refused}", f"the broker refuses to subscribe to {refused}")

    def _has_room(self, share: int) -> bool:
        """Messages may use half of it, so that replies and requests are never behind a flood of ticks."""
        return len(self._flying) < FLYING_MAX * share and self._flying_bytes < FLYING_BYTES_MAX * share

    def _may_ask(self) -> bool:
        return not self.window.replaying and self._has_room(2)

    def _subscribe(self, filter: str) -> bytes:
        packet_id = self._next_id()
        self._subscribing[packet_id] = filter
        return mqtt.subscribe(packet_id, filter)

    def _publish(self, kept: Kept) -> bytes:
        packet_id = 0
        if kept.qos:
            packet_id = self._next_id()
            self._flying[packet_id] = kept
            self._flying_bytes += kept.bytes
        else:
            kept.confirmed = True
        return mqtt.publish(kept.topic, kept.payload, kept.qos, kept.retain, packet_id)

    def _once(self, topic: str, payload: bytes) -> bytes:
        packet_id = self._next_id()
        self._flying[packet_id] = None
        return mqtt.publish(topic, payload, 1, False, packet_id)

    def _next_id(self) -> int:
        while True:
            self._packet_id = self._packet_id % 65_535 + 1
            if self._packet_id not in self._flying and self._packet_id not in self._subscribing:
                return self._packet_id

    def _hear_reply(self, topic: str, payload: bytes) -> None:
        with self._lock:
            self.requests.answer(topic.rpartition("/")[2], payload)

    def _hear_presence(self, topic: str, payload: bytes) -> None:
        said, _ = parse_json(payload)
        if isinstance(said, dict) and said.get("state") in ("here", "gone"):
            name = topic.rpartition("/")[2]
            with self._lock:
                if name in self.presence or len(self.presence) < PRESENCE_MAX:
                    self.presence[name] = said["state"]
