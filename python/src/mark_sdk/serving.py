"""Executes each request of one name once (docs/link.md): `begun` is on the disk before the handler runs, the
reply after it, and a request seen again gets the same reply.

It promises that no request that was, or may have been, executed is ever executed again or told as refused.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any, Callable, Dict, NamedTuple, Optional, Set

from .caller import Caller
from .envelope import data_text, is_version_1, parse_json
from .json_text import check_key, to_text
from .mailbox import Mailbox
from .persistent_map import PersistentMap
from .request_error import Refuse
from .state_error import StateError

KEPT_MS = 86_400_000
ENTRIES_MAX = 100_000
LATE_MS = 60_000
PRUNE_MS = 60_000
PRUNE_FULL_MS = 1000
REFUSED_MAX = 10_000

_log = logging.getLogger("mark_sdk")


class Request(NamedTuple):
    id: str
    name: str
    sender: str
    """The broker vouches for it."""
    data: Any
    expires: int
    """Unix ms."""


class Serving:
    """`take` in the link's thread, all else in a thread of its own. `say(sender, reply)` must not wait."""

    def __init__(
        self,
        name: str,
        handler: Caller,
        recover: Optional[Caller],
        ledger: PersistentMap,
        say: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self._handler, self._recover, self._ledger, self._say = handler, recover, ledger, say
        self._running: Set[str] = set()
        self._mailbox = Mailbox(f"mark-serve-{name}")
        self._pruned_at = 0
        self._refused: OrderedDict[str, str] = OrderedDict()

    def take(self, sender: str, payload: bytes) -> None:
        request = read_request(self.name, sender, payload)
        # One that finds no room comes again in a second.
        if request is not None and request.id not in self._running and not self._mailbox.is_full:
            self._running.add(request.id)
            self._mailbox.put(len(payload), lambda: self._answer(request))

    def end(self) -> None:
        self._mailbox.end()

    def _answer(self, request: Request) -> None:
        try:
            self._say(request.sender, self._reply(request))
        finally:
            self._running.discard(request.id)

    def _reply(self, request: Request) -> str:
        if request.id in self._refused:
            return self._refused[request.id]
        entry = self._ledger.get(request.id)
        is_expired = _now_ms() > request.expires
        does = decide(_state(entry), False, is_expired, self._recover is not None)
        if does == "reply" and entry is not None:
            return to_text(entry["reply"])
        if does == "refuse expired":
            return self._refuse(request, "expired", "its time was over before it began")
        if does == "unknown":
            why = "it had begun when the module ended, and nobody knows how far it came"
            return self._keep(request, refusal(request.id, "unknown", why))
        if does == "recover":
            assert self._recover is not None
            return self._keep(request, _outcome(request, self._recover, request.id, request.data))
        return self._execute(request)

    def _execute(self, request: Request) -> str:
        if not self._make_room():
            return self._refuse(request, "busy", "the ledger is full")
        begun = {"state": "begun", "expires": request.expires}
        try:
            self._ledger.set(request.id, begun, durable=True)
        except StateError as error:
            # Kept all the same: a copy of it that is under way must not find the disk well again.
            return self._keep(request, refusal(request.id, "ledger", f"not begun: {error}"))
        if _now_ms() > request.expires:  # the disk was slow, and an order must not come late
            return self._keep(request, refusal(request.id, "expired", "it could not begin in time"))
        return self._keep(request, _outcome(request, self._handler, request.data, request))

    def _refuse(self, request: Request, code: str, message: str) -> str:
        """What does not stand in the ledger is remembered here: a copy that is under way must not find room,
        or a clock that was set back, and be executed after all."""
        text = self._refused[request.id] = to_text(refusal(request.id, code, message))
        if len(self._refused) > REFUSED_MAX:
            self._refused.popitem(last=False)
        return text

    def _keep(self, request: Request, reply: Dict[str, Any]) -> str:
        done = {"state": "done", "expires": request.expires, "reply": reply}
        try:
            self._ledger.set(request.id, done, durable=True)
        except StateError:
            _log.exception("the ledger does not know yet how request %s ended", request.id)
        return to_text(reply)

    def _make_room(self) -> bool:
        now, is_full = _now_ms(), len(self._ledger) >= ENTRIES_MAX
        if now - self._pruned_at < (PRUNE_FULL_MS if is_full else PRUNE_MS):
            return not is_full
        self._pruned_at = now
        prune(self._ledger, now)
        return len(self._ledger) < ENTRIES_MAX


def prune(ledger: MutableMapping[str, Any], now_ms: int, most: int = ENTRIES_MAX) -> None:
    """Forgets what is over for a day, and of too many the oldest that are over for a minute: the others may
    come again."""
    late = now_ms - LATE_MS
    over = sorted((_expires(entry), key) for key, entry in ledger.items() if _expires(entry) < late)
    too_many = len(ledger) - most * 9 // 10 if len(ledger) >= most else 0
    for i, (expires, key) in enumerate(over):
        if expires < now_ms - KEPT_MS or i < too_many:
            del ledger[key]


def decide(state: Optional[str], is_running: bool, is_expired: bool, can_recover: bool) -> str:
    if is_running:
        return "wait"
    if state == "done":
        return "reply"
    if state == "begun":
        return "recover" if can_recover else "unknown"
    return "refuse expired" if is_expired else "execute"


def read_request(name: str, sender: str, payload: bytes) -> Optional[Request]:
    said, _ = parse_json(payload)
    if not isinstance(said, dict) or not is_version_1(said) or "data" not in said:
        return None
    id, expires = said.get("id"), said.get("expires")
    try:
        check_key(id)
    except (TypeError, ValueError):
        return None
    if not id or isinstance(expires, bool) or not isinstance(expires, (int, float)):
        return None
    if not math.isfinite(expires):
        return None
    return Request(id, name, sender, said["data"], int(expires))


def refusal(id: str, code: str, message: str) -> Dict[str, Any]:
    return {"v": 1, "id": id, "ok": False, "error": {"code": code[:100], "message": message[:2000]}}


def _outcome(request: Request, caller: Caller, *args: object) -> Dict[str, Any]:
    try:
        value = caller.call(*args)
    except Refuse as refuse:
        return refusal(request.id, refuse.code, refuse.message)
    except BaseException as error:  # also SystemExit: what it did before it raised nobody knows
        _log.exception("the handler of request %s (%s) failed", request.name, request.id)
        return refusal(request.id, "unknown", f"{type(error).__name__}: {error}")
    try:
        data_text(value)
    except (TypeError, ValueError, RecursionError) as error:
        return refusal(request.id, "unknown", f"done, but its value cannot be told: {error}")
    return {"v": 1, "id": request.id, "ok": True, "value": value}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _state(entry: Any) -> Optional[str]:
    """What stands there in a form that is not ours may have been executed."""
    if entry is None:
        return None
    is_done = (
        isinstance(entry, dict) and entry.get("state") == "done" and isinstance(entry.get("reply"), dict)
    )
    return "done" if is_done else "begun"


def _expires(entry: Any) -> float:
    expires = entry.get("expires") if isinstance(entry, dict) else None
    return expires if isinstance(expires, (int, float)) else float("inf")
