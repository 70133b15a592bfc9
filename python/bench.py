"""How fast PersistentMap is here: set() coalesced, and durable writes beside bare SQLite with the same
pragmas. Then what a heartbeat and a publish cost their caller.

    python3 bench.py [turns] [directory]

Both sides take short turns in one run. Look at the ratio of the medians, not at the figures: they are the
disk's.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))
from mark_sdk import Link, Module, PersistentMap, read_environment

WRITES = 20  # a turn: the disk's speed changes from second to second
WARM_UP_S = 3.5  # for its first 3 s a map looks at its file before each transaction, see file_identity.py
VALUE = {"amount": 1.5, "price": 64250.25, "side": "buy", "open": True}


def sets(directory: Path) -> float:
    with PersistentMap("sets", dir=directory) as opened:
        begin = time.perf_counter()
        for i in range(200_000):
            opened.set(f"key-{i % 1000}", VALUE)
        spent = time.perf_counter() - begin
        begin = time.perf_counter()
        opened.flush()
        print(f"  flush after it: {(time.perf_counter() - begin) * 1000:.1f} ms")
    return 200_000 / spent


def durable(opened: PersistentMap, keys: int) -> float:
    begin = time.perf_counter()
    for i in range(WRITES):
        with opened.transaction(durable=True) as changes:
            for key in range(keys):
                changes[f"key-{i % 50}-{key}"] = VALUE
    return WRITES / (time.perf_counter() - begin)


def bare(db: sqlite3.Connection, keys: int) -> float:
    begin = time.perf_counter()
    for i in range(WRITES):
        db.execute("BEGIN IMMEDIATE")
        for key in range(keys):
            db.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?)", (f"key-{i % 50}-{key}", json.dumps(VALUE))
            )
        db.execute("COMMIT")
    return WRITES / (time.perf_counter() - begin)


def call() -> None:
    env = {"MARK_SOCKET": "/nowhere/mark.sock", "MARK_RUN_ID": "bench", "MARK_HALT_FILE": "/nowhere/halt/a"}
    module = Module(read_environment(env))
    spent = []
    for i in range(5000):
        begin = time.perf_counter()
        module.heartbeat(state="trading", feeds={"BTCUSDT": i, "ETHUSDT": i}, positions=3)
        spent.append(time.perf_counter() - begin)
    spent.sort()
    print(f"heartbeat() with MARK away: p50 {spent[2500] * 1e6:.0f} us, p99 {spent[4950] * 1e6:.0f} us")


def publish() -> None:
    link = Link("unix:/nowhere/link.sock", "bench")
    spent = []
    for i in range(50_000):
        begin = time.perf_counter()
        link.publish("ticks/btc", {"bid": 64250.5, "ask": 64251.0, "n": i})
        spent.append(time.perf_counter() - begin)
    rate = len(spent) / sum(spent)
    spent.sort()
    p50, p99, longest = (spent[i] * 1e6 for i in (25_000, 49_500, -1))
    print(f"publish(), no broker: {rate:,.0f}/s, p50 {p50:.0f} us, p99 {p99:.0f} us, max {longest:.0f} us")


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    place = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        directory = Path(name)
        for _ in range(3):
            print(f"set() coalesced: {sets(directory):,.0f}/s")
        db = sqlite3.connect(str(directory / "bare.db"), isolation_level=None)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=TRUNCATE", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        with PersistentMap("durable", dir=directory) as opened:
            warm_until = time.perf_counter() + WARM_UP_S
            while time.perf_counter() < warm_until:
                durable(opened, 1)
            for keys in (1, 10):
                pairs = [(durable(opened, keys), bare(db, keys)) for _ in range(turns)]
                ours, theirs = (statistics.median(side) for side in zip(*pairs))
                print(
                    f"durable, {keys} keys, {turns} turns: {ours:,.0f}/s,"
                    f" bare SQLite {theirs:,.0f}/s, ratio {ours / theirs:.2f}"
                )
    call()
    publish()


if __name__ == "__main__":
    main()
