"""The requests of this module that are not answered yet: each is said every second and after each
reconnection, always under one id, until its reply comes or its time is over.

No clock and no lock of its own. It promises that what was written once never ends as refused without the word
of the one who was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, Union

from .envelope import is_version_1, parse_json
from .json_text import to_text
from .request_error import RequestRefused, RequestUnknown

AGAIN_S = 1.0
WAITING_MAX = 1000


class Value(NamedTuple):
    value: Any


Outcome = Union[Value, RequestRefused, RequestUnknown]


class Asked:
    """One request. `ended` is called once, with its outcome."""

    __slots__ = ("again_at", "ended", "id", "is_written", "payload", "to", "topic")

    def __init__(
        self, id: str, to: str, topic: str, payload: bytes, ended: Callable[[Outcome], None]
    ) -> None:
        self.id, self.to, self.topic, self.payload, self.ended = id, to, topic, payload, ended
        self.again_at = 0.0
        self.is_written = False


class Requests:
    def __init__(self) -> None:
        self._waiting: Dict[str, Asked] = {}

    def add(self, asked: Asked) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise RequestRefused("busy", f"{WAITING_MAX} requests wait for their replies", asked.id)
        self._waiting[asked.id] = asked

    def connected(self) -> None:
        """All are said again."""
        for asked in self._waiting.values():
            asked.again_at = 0.0

    def due_at(self) -> Optional[float]:
        return min((asked.again_at for asked in self._waiting.values()), default=None)

    def due(self, now: float) -> Iterator[Asked]:
        """Those that are to be written now."""
        for asked in self._waiting.values():
            if asked.again_at <= now:
                asked.again_at = now + AGAIN_S
                asked.is_written = True
                yield asked

    def answer(self, sender: str, payload: bytes) -> None:
        id, outcome = read_reply(payload)
        if outcome is not None and id in self._waiting and self._waiting[id].to == sender:
            self._waiting.pop(id).ended(outcome)

    def give_up(self, asked: Asked, why: str) -> None:
        """Its time is over; nothing where a reply came at this moment."""
        if self._waiting.pop(asked.id, None) is None:
            return
        if asked.is_written:
            asked.ended(RequestUnknown(f"no reply from {asked.to} {why}", asked.id))
        else:
            asked.ended(RequestRefused("unsent", f"no broker {why}: it was never sent", asked.id))


def write_request(id: str, now_ms: int, expires_ms: int, data_text: str) -> bytes:
    head = f'{{"v":1,"id":{to_text(id)},"ts":{now_ms},"expires":{expires_ms},"data":'
    return f"{head}{data_text}}}".encode()


def read_reply(payload: bytes) -> Tuple[str, Optional[Outcome]]:
    """The id and how it ended; None: it is no reply."""
    reply, _ = parse_json(payload)
    if not isinstance(reply, dict) or not is_version_1(reply) or not isinstance(reply.get("id"), str):
        return "", None
    id, ok, error = reply["id"], reply.get("ok"), reply.get("error")
    if ok is True:
        return id, Value(reply.get("value"))
    if ok is False and isinstance(error, dict) and isinstance(error.get("code"), str):
        message = str(error.get("message", ""))
        if error["code"] == "unknown":
            return id, RequestUnknown(message, id)
        return id, RequestRefused(error["code"], message, id)
    return id, None
