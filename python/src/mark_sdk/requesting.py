"""The requests of this module that are not answered yet: each is said every second and after each
reconnection, always under one id, until its reply comes or its time is over.

No clock and no lock of its own. It promises that what was written once never ends as refused without the word
of the one who was asked.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, Union

from .envelope import is_version_1, parse_json
from .json_text import to_text
from .request_error import RequestRefused, RequestUnknown

AGAIN_S = 1.0
WAITING_MAX = 10_000


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
        self._waiting: Dict[str, Asked] = {}  # once said, in the order in which they are due
        self._new: Dict[str, Asked] = {}

    def add(self, asked: Asked) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise RequestRefused("busy", f"{WAITING_MAX} requests wait for their replies", asked.id)
        self._waiting[asked.id] = asked
        self._new[asked.id] = asked

    def connected(self) -> None:
        """All are said again."""
        self._new = dict(self._waiting)

    def due_at(self) -> Optional[float]:
        if self._new:
            return 0.0
        return next((asked.again_at for asked in self._waiting.values()), None)

    def next(self, now: float) -> Optional[Asked]:
        """One that is to be written now."""
        asked = next(iter((self._new or self._waiting).values()), None)
        if asked is None or not self._new and asked.again_at > now:
            return None
        self._new.pop(asked.id, None)
        del self._waiting[asked.id]
        self._waiting[asked.id] = asked
        asked.again_at = now + AGAIN_S
        asked.is_written = True
        return asked

    def answer(self, sender: str, payload: bytes) -> None:
        id, outcome = read_reply(payload)
        if outcome is not None and id in self._waiting and self._waiting[id].to == sender:
            self._take(id).ended(outcome)

    def give_up(self, asked: Asked, why: str) -> None:
        """Its time is over; nothing where a reply came at this moment."""
        if asked.id not in self._waiting:
            return
        self._take(asked.id)
        if asked.is_written:
            asked.ended(RequestUnknown(f"no reply from {asked.to} {why}", asked.id))
        else:
            asked.ended(RequestRefused("unsent", f"no broker {why}: it was never sent", asked.id))

    def _take(self, id: str) -> Asked:
        self._new.pop(id, None)
        return self._waiting.pop(id)


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
