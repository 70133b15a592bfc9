"""What the SDKs put around a message (docs/link.md): who spoke in which life, and the message's number.

Pure. What is no envelope is handed on as it is: clients that know nothing of MARK take part too.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from typing import Any, NamedTuple, Optional, Tuple

from .json_text import from_text, to_text

SEEN_MAX = 10_000
DATA_MAX_BYTES = 200_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Read(NamedTuple):
    data: Any
    epoch: Optional[str] = None
    """None: it was no envelope."""
    seq: int = 0


def data_text(data: Any) -> str:
    """JSON, or TypeError or ValueError."""
    text = to_text(data)
    size = len(text) if text.isascii() else len(text.encode())
    if size > DATA_MAX_BYTES:
        raise ValueError(f"{size} bytes of data: at most {DATA_MAX_BYTES} can be sent")
    return text


def write_envelope(epoch: str, seq: int, text: str) -> bytes:
    """`text`: the data, JSON already, so that it is made outside of locks."""
    return f'{{"v":1,"epoch":{json.dumps(epoch)},"seq":{seq},"data":{text}}}'.encode()


def read_envelope(payload: bytes) -> Read:
    value, is_json = parse_json(payload)
    if not is_json:
        return Read(payload.decode("utf-8", "replace"))
    if isinstance(value, dict) and is_version_1(value) and "data" in value:
        epoch, seq = value.get("epoch"), value.get("seq")
        if isinstance(epoch, str) and epoch and type(seq) is int and seq > 0:
            return Read(value["data"], epoch, seq)
    return Read(value)


def is_version_1(value: Any) -> bool:
    return type(value.get("v")) is int and value["v"] == 1


def parse_json(payload: bytes) -> Tuple[Any, bool]:
    try:
        return from_text(payload.decode()), True
    except (ValueError, RecursionError):
        return None, False


def ulid() -> str:
    """26 characters, later ones sort after earlier ones."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[value >> 5 * i & 31] for i in range(25, -1, -1))


class Seen:
    """The last number of each topic and epoch, of the 10,000 that spoke last."""

    def __init__(self) -> None:
        self._last: OrderedDict[Tuple[str, str], int] = OrderedDict()

    def is_new(self, topic: str, read: Read) -> bool:
        if read.epoch is None:
            return True
        key = topic, read.epoch
        if read.seq <= self._last.get(key, 0):
            return False
        self._last[key] = read.seq
        self._last.move_to_end(key)
        if len(self._last) > SEEN_MAX:
            self._last.popitem(last=False)
        return True
