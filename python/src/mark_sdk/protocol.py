"""Messages between a module and MARK (docs/module-protocol.md): one JSON object a line, at most 65,536 bytes.

What a caller passes that the protocol does not know is left out and warned of once: a wrong number in a
heartbeat must neither end the module nor its connection.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Dict, List, Optional, Set, Union

VERSION = 1
LINE_MAX_BYTES = 65_536
TRACEBACK_MAX_BYTES = 32_768
STATES = ("starting", "catching_up", "trading", "paused", "stopped")

Message = Dict[str, Any]
Number = Union[int, float]
Feeds = Union[Mapping[str, Number], Sequence[Mapping[str, Any]]]
Components = Union[Mapping[str, str], Sequence[Mapping[str, Any]]]

_log = logging.getLogger("mark_sdk")
_warned: Set[str] = set()


def encode(message: Message) -> Optional[bytes]:
    """The line with its newline; None where it cannot be said in 65,536 bytes."""
    try:
        line = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return None
    data = line.encode("utf-8", "replace") + b"\n"
    return data if len(data) <= LINE_MAX_BYTES else None


def parse(line: bytes) -> Optional[Message]:
    """The message of a line. None: no JSON object with a text `type`."""
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def hello(run_id: Optional[str], pid: int, sdk: str) -> Message:
    return without_none({"type": "hello", "v": VERSION, "run_id": run_id, "pid": pid, "sdk": sdk})


def heartbeat(
    seq: int,
    *,
    ts: Optional[Number] = None,
    state: Optional[str] = None,
    loop_lag_ms: Optional[Number] = None,
    feeds: Optional[Feeds] = None,
    last_order_ack_ts: Optional[Number] = None,
    orders_per_min: Optional[Number] = None,
    open_orders: Optional[Number] = None,
    positions: Optional[Number] = None,
    exposure: Optional[Number] = None,
    components: Optional[Components] = None,
    version: Optional[str] = None,
) -> Message:
    if state is not None and state not in STATES:
        warn_once("state", f"heartbeat: state {state!r} is none of {', '.join(STATES)}: left out")
        state = None
    message = {
        "type": "heartbeat",
        "seq": seq,
        "ts": number("ts", ts),
        "state": state,
        "loop_lag_ms": number("loop_lag_ms", loop_lag_ms),
        "feeds": _feeds(feeds),
        "last_order_ack_ts": number("last_order_ack_ts", last_order_ack_ts),
        "orders_per_min": number("orders_per_min", orders_per_min),
        "open_orders": number("open_orders", open_orders),
        "positions": number("positions", positions),
        "exposure": number("exposure", exposure),
        "components": _components(components),
        "version": text(version, 200),
    }
    return without_none(message)


def degraded(reason: Optional[str]) -> Message:
    return {"type": "degraded", "reason": text(reason)}


def stopping(reason: Optional[str]) -> Message:
    return without_none({"type": "stopping", "reason": text(reason)})


def reconciled(ok: bool, detail: Optional[str]) -> Message:
    return without_none({"type": "reconciled", "ok": bool(ok), "detail": text(detail)})


def metric(name: str, value: Number, labels: Optional[Mapping[str, object]]) -> Optional[Message]:
    clean = number(f"metric {name}", value)
    if clean is None:
        return None
    named = None
    if labels:
        named = {str(key): text(item, 200) for key, item in labels.items()}
    return without_none({"type": "metric", "name": text(name, 200), "value": clean, "labels": named})


def closing(code: int, reason: Optional[str]) -> Message:
    return without_none({"type": "closing", "code": int(code), "reason": text(reason)})


def crash(kind: str, message: str, traceback: str) -> Message:
    """Cut so that it fits: of the traceback the end stays, where the error is."""
    error = {"type": text(kind, 200), "message": text(message, 4000)}
    kept = traceback.encode("utf-8", "replace")[-TRACEBACK_MAX_BYTES:].decode("utf-8", "ignore")
    said: Message = {"type": "crash", "error": error, "traceback": kept}
    while kept and encode(said) is None:
        kept = kept[len(kept) // 2 + 1 :]
        said = {"type": "crash", "error": error, "traceback": kept}
    return said


def _feeds(feeds: Optional[Feeds]) -> Optional[List[Message]]:
    if not feeds:
        return None
    if isinstance(feeds, Mapping):
        entries: Sequence[Mapping[str, Any]] = [
            {"name": name, "last_tick_ts": ts} for name, ts in feeds.items()
        ]
    else:
        entries = [feed for feed in feeds if isinstance(feed, Mapping) and feed.get("name") is not None]
    return [
        without_none(
            {"name": text(feed["name"], 200), "last_tick_ts": number("feeds", feed.get("last_tick_ts"))}
        )
        for feed in entries
    ]


def _components(components: Optional[Components]) -> Optional[List[Message]]:
    if not components:
        return None
    if isinstance(components, Mapping):
        entries: Sequence[Mapping[str, Any]] = [{"name": name, "state": s} for name, s in components.items()]
    else:
        entries = [part for part in components if isinstance(part, Mapping) and part.get("name") is not None]
    return [
        without_none({"name": text(part["name"], 200), "state": text(part.get("state"), 200)})
        for part in entries
    ]


def number(name: str, value: object) -> Optional[Number]:
    """`value` where it is a finite number; numbers of other kinds (Decimal, numpy) as float."""
    if value is None or type(value) is int:
        return value
    try:
        clean = float(value)  # type: ignore[arg-type]
    except Exception:  # a stranger's __float__ may raise anything
        clean = math.nan
    if isinstance(value, (bool, str, bytes)) or not math.isfinite(clean):
        warn_once(name, f"{name}: {value!r:.100} is no finite number: left out")
        return None
    return clean


def text(value: object, limit: int = 2000) -> Optional[str]:
    return None if value is None else str(value)[:limit]


def without_none(message: Message) -> Message:
    return {key: value for key, value in message.items() if value is not None}


def warn_once(key: str, message: str) -> None:
    if key not in _warned and len(_warned) < 100:
        _warned.add(key)
        _log.warning(message)
