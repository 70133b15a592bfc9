"""MQTT 3.1.1 packets of a client to bytes and back: QoS 0 and 1, no sockets, no clock.

It promises that whatever a peer sends is either a packet or an MqttError, and that no more than one frame is
ever held back.
"""

from __future__ import annotations

import struct
from typing import List, NamedTuple, Optional, Tuple, Union

FRAME_MAX_BYTES = 262_144
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"

_CONNACK, _PUBLISH, _PUBACK, _SUBACK, _UNSUBACK, _PINGRESP = 2, 3, 4, 9, 11, 13


class MqttError(Exception):
    """What the peer said is no MQTT, or not for a client."""


class Connack(NamedTuple):
    code: int


class Publish(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    packet_id: int = 0


class Puback(NamedTuple):
    packet_id: int


class Suback(NamedTuple):
    packet_id: int
    codes: Tuple[int, ...]


class Unsuback(NamedTuple):
    packet_id: int


class Pingresp(NamedTuple):
    pass


Packet = Union[Connack, Publish, Puback, Suback, Unsuback, Pingresp]


def connect(client_id: str, username: Optional[str], password: Optional[str], keepalive_s: int) -> bytes:
    """A clean session, without a will."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, keepalive_s) + _text(client_id)
    for secret in (username, password):
        if secret is not None:
            body += _text(secret)
    return _frame(0x10, body)


def publish(topic: str, payload: bytes, qos: int = 0, retain: bool = False, packet_id: int = 0) -> bytes:
    name = topic.encode()
    rest = struct.pack(">H", packet_id) if qos else b""
    head = _head(0x30 | qos << 1 | retain, 2 + len(name) + len(rest) + len(payload))
    return b"".join((head, struct.pack(">H", len(name)), name, rest, payload))


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + struct.pack(">H", packet_id)


def subscribe(packet_id: int, filter: str) -> bytes:
    """At QoS 1."""
    return _frame(0x82, struct.pack(">H", packet_id) + _text(filter) + b"\x01")


def unsubscribe(packet_id: int, filter: str) -> bytes:
    return _frame(0xA2, struct.pack(">H", packet_id) + _text(filter))


class Decoder:
    """Bytes in pieces of any size to packets."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> List[Packet]:
        self._kept += data
        packets: List[Packet] = []
        begin = 0
        while True:
            found = self._next(begin)
            if found is None:
                break
            body, end = found
            packets.append(_packet(self._kept[begin], bytes(self._kept[body:end])))
            begin = end
        del self._kept[:begin]
        return packets

    def _next(self, begin: int) -> Optional[Tuple[int, int]]:
        """Where the body of the frame at `begin` begins and ends; None: it is not whole yet."""
        length = 0
        for i in range(4):
            at = begin + 1 + i
            if at >= len(self._kept):
                return None
            length |= (self._kept[at] & 0x7F) << 7 * i
            if length > FRAME_MAX_BYTES:
                raise MqttError(f"a frame of more than {FRAME_MAX_BYTES} bytes")
            if not self._kept[at] & 0x80:
                end = at + 1 + length
                return (at + 1, end) if end <= len(self._kept) else None
        raise MqttError("a length of more than four bytes")


def _packet(first: int, body: bytes) -> Packet:
    kind, flags = first >> 4, first & 15
    if kind == _PUBLISH:
        return _published(flags, body)
    if flags:
        raise MqttError(f"flags {flags} in a packet of type {kind}")
    if kind == _CONNACK and len(body) == 2:
        return Connack(body[1])
    if kind == _PUBACK and len(body) == 2:
        return Puback(_number(body))
    if kind == _SUBACK and len(body) > 2:
        return Suback(_number(body), tuple(body[2:]))
    if kind == _UNSUBACK and len(body) == 2:
        return Unsuback(_number(body))
    if kind == _PINGRESP and not body:
        return Pingresp()
    raise MqttError(f"a packet of type {kind} with {len(body)} bytes")


def _published(flags: int, body: bytes) -> Publish:
    qos = flags >> 1 & 3
    begin = 2 + _number(body)
    rest = begin + (2 if qos else 0)
    if qos > 1 or len(body) < rest:
        raise MqttError(f"a message of QoS {qos} with {len(body)} bytes")
    packet_id = _number(body[begin:]) if qos else 0
    if qos and not packet_id:
        raise MqttError("a message of QoS 1 without a number")
    try:
        topic = body[2:begin].decode()
    except UnicodeDecodeError:
        raise MqttError("a topic that is no UTF-8") from None
    return Publish(topic, body[rest:], qos, bool(flags & 1), packet_id)


def _number(body: bytes) -> int:
    if len(body) < 2:
        raise MqttError("a packet that ends too early")
    return body[0] << 8 | body[1]


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _frame(first: int, body: bytes) -> bytes:
    return _head(first, len(body)) + body


def _head(first: int, length: int) -> bytes:
    head = bytearray((first,))
    while True:
        length, seven = length >> 7, length & 0x7F
        head.append(seven | (0x80 if length else 0))
        if not length:
            return bytes(head)
