"""PersistentMap against torn files, flipped bits and kill -9. MARK_LONG=1: 1,000 of each instead of a
sample; MARK_SEED repeats a run, and what was found is printed with it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import unittest
from pathlib import Path
from typing import Any, Dict, Optional

from mark_sdk import PersistentMap, StateLost, StateWriteFailed
from mark_sdk.state_file import StateFile

from .place import LONG, SEED, Place

VALUES = {f"key-{i:03d}": {"price": i * 1.5, "text": "x" * (i % 40)} for i in range(120)}


class Damaged(Place):
    def setUp(self) -> None:
        super().setUp()
        with PersistentMap("a", dir=self.state) as whole:
            whole.update(VALUES)
        self.data = (self.state / "a.db").read_bytes()

    def opens(self, data: bytes, journal: Optional[bytes] = None) -> Optional[Dict[str, str]]:
        """What the map holds when its file is `data`; None where it refuses."""
        (self.state / "a.db").write_bytes(data)
        if journal is not None:
            (self.state / "a.db-journal").write_bytes(journal)
        try:
            opened = StateFile(self.state, "a")
        except (StateLost, StateWriteFailed):
            return None
        rows = dict(opened.rows)
        opened.close()
        return rows

    def harmless(self, rows: Optional[Dict[str, str]]) -> bool:
        return rows is not None and {key: json.loads(text) for key, text in rows.items()} == VALUES

    def test_every_truncated_length_raises(self) -> None:
        step = 1 if LONG else 97
        # Every length within the first and the last pages, where the headers are.
        lengths = {
            *range(0, len(self.data), step),
            *range(200),
            *range(len(self.data) - 64, len(self.data)),
        }
        for length in sorted(lengths):
            self.assertIsNone(self.opens(self.data[:length]), f"opened at {length} of {len(self.data)} bytes")
            # What is left of it is for people: a look must not change it.
            self.assertEqual((self.state / "a.db").stat().st_size, length)
        tell(f"{len(lengths)} of {len(self.data)} lengths raised")
        self.assertTrue(self.harmless(self.opens(self.data)))

    def test_flipped_bits_raise_or_are_harmless(self) -> None:
        chance = random.Random(SEED)
        refused = 0
        bits = [chance.randrange(len(self.data) * 8) for _ in range(1000 if LONG else 150)]
        # And each of the file's header, by turns.
        bits += range(0, 100 * 8, 1 if LONG else 7)
        for bit in bits:
            data = bytearray(self.data)
            data[bit // 8] ^= 1 << bit % 8
            rows = self.opens(bytes(data))
            refused += rows is None
            self.assertTrue(
                rows is None or self.harmless(rows), f"bit {bit} (seed {SEED}) changed what it holds"
            )
        tell(f"{len(bits)} flips: {refused} raised, {len(bits) - refused} did no harm")
        self.assertGreater(refused, len(bits) // 10)

    def test_a_flip_that_opens_stays_right_after_further_writes(self) -> None:
        chance = random.Random(SEED + 1)
        for _ in range(300 if LONG else 40):
            bit = chance.randrange(len(self.data) * 8)
            data = bytearray(self.data)
            data[bit // 8] ^= 1 << bit % 8
            if not self.harmless(self.opens(bytes(data))):
                continue
            (self.state / "a.db").write_bytes(bytes(data))
            with PersistentMap("a", dir=self.state) as opened:
                opened.update({"key-003": 7, "new": "y" * 3000})
            with PersistentMap("a", dir=self.state) as opened:
                self.assertEqual(dict(opened), {**VALUES, "key-003": 7, "new": "y" * 3000}, f"bit {bit}")

    def test_a_journal_cut_or_flipped_never_yields_a_mixture(self) -> None:
        """The state of a kill in the midst of a commit, its journal then damaged."""
        before, journal = self.hot()
        self.assertTrue(self.harmless(self.opens(before, journal)))
        chance = random.Random(SEED + 2)
        damages = [journal[:n] for n in range(0, len(journal), 1 if LONG else 211)]
        for _ in range(1000 if LONG else 60):
            bit = chance.randrange(len(journal) * 8)
            flipped = bytearray(journal)
            flipped[bit // 8] ^= 1 << bit % 8
            damages.append(bytes(flipped))
        for damage in damages:
            rows = self.opens(before, damage)
            whole = rows is None or self.harmless(rows) or all('"new"' in text for text in rows.values())
            self.assertTrue(whole, "half of a transaction")

    def hot(self) -> tuple[bytes, bytes]:
        """Database and journal amid a transaction that had spilled to the database."""
        db = sqlite3.connect(str(self.state / "a.db"), isolation_level=None)
        db.execute("PRAGMA cache_size=1")
        db.execute("PRAGMA journal_mode=TRUNCATE")
        db.execute("BEGIN EXCLUSIVE")
        for i in range(40):
            db.execute("UPDATE entries SET value = ?, crc = 1", ('"new%d"' % i + " " * 60,))
        db.execute("UPDATE meta SET value = 1")
        # Files are read by a child: closing them here would drop SQLite's locks.
        if os.fork() == 0:
            for end in ("", "-journal"):
                shutil.copy(str(self.state / "a.db") + end, str(self.root / "hot") + end)
            os._exit(0)
        os.wait()
        db.execute("ROLLBACK")
        db.close()
        hot, journal = (self.root / "hot").read_bytes(), (self.root / "hot-journal").read_bytes()
        self.assertNotEqual(hot, self.data, "the transaction did not spill")
        return hot, journal


def tell(what: str) -> None:
    print(f"seed {SEED}: {what}")


WRITER = """
import os, sys
from mark_sdk import PersistentMap
m = PersistentMap("a", interval=0.002)
say = lambda *what: os.write(1, (" ".join(map(str, what)) + "\\n").encode())
n = m.get("n", 0)
say("open", n)
while True:
    n += 1
    kind = n % 4
    say("begin", n)
    if kind == 0:
        with m.transaction(durable=True) as both:
            both["n"], both["twice"] = n, 2 * n
    elif kind == 1:
        m.set("n", n)
        m.set("twice", 2 * n, durable=True)
    else:
        with m.transaction() as both:
            both["n"], both["twice"], both["pad%d" % (n % 50)] = n, 2 * n, "x" * (n % 3000)
        continue
    say("done", n)
"""


class Killed(Place):
    def test_after_kill_9_every_acknowledged_write_is_there(self) -> None:
        rounds = 1000 if LONG else 40
        chance = random.Random(SEED)
        acknowledged = beyond = 0
        for turn in range(rounds):
            # One long life of a map: each round goes on where the last was killed, some amid opening.
            process = self.program(WRITER)
            assert process.stdout is not None
            if turn % 5:
                process.stdout.readline()
                signal_after = chance.random() * 0.06
            else:
                signal_after = chance.random() * 0.15
            try:
                process.wait(signal_after)
            except Exception:
                pass
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=30)
            self.assertEqual(err, b"", f"round {turn}")
            lines = [line.split() for line in out.decode().split("\n") if line]
            done = [int(line[1]) for line in lines if line[0] == "done"]
            begun = [int(line[1]) for line in lines if line[0] in ("begin", "open")]
            acknowledged = max([acknowledged, *done])
            state = self.after()
            n = state.get("n", 0)
            self.assertGreaterEqual(n, acknowledged, f"round {turn}: an acknowledged write is missing")
            if begun:
                self.assertLessEqual(n, max(begun), f"round {turn}: a write that never began")
            halves = (n, n - 1) if n % 4 == 1 else (n,)
            self.assertIn(
                state.get("twice", 0), [2 * half for half in halves], f"round {turn}: half a transaction"
            )
            beyond += n > acknowledged
            acknowledged = n
        tell(f"{rounds} kills, {acknowledged} operations, {beyond} times the last was there unacknowledged")
        self.assertGreater(acknowledged, rounds)

    def after(self) -> Dict[str, Any]:
        if not Path(self.state / "a.db").exists():
            return {}
        opened = PersistentMap("a", dir=self.state)
        state = dict(opened)
        opened.close()
        return state


if __name__ == "__main__":
    unittest.main()
