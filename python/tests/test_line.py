"""The line to MARK: what is said, also to a MARK that is away, slow, restarted or mad."""

from __future__ import annotations

import json
import os
import socket
import time
import unittest
from typing import Any, Dict

from mark_sdk import Module, protocol, read_environment

from .fake_mark import FakeMark, until
from .place import VECTORS, Place


class Vectors(unittest.TestCase):
    def setUp(self) -> None:
        if not VECTORS.exists():
            self.skipTest(f"SKIPPED: no {VECTORS}")
        self.vectors = json.loads(VECTORS.read_text())

    def test_messages_are_written_as_the_vectors_say(self) -> None:
        beat: Dict[str, Any] = dict(self.vectors["module"][4])
        for key in ("type", "seq"):
            del beat[key]
        written = [
            protocol.hello("01HZZZZZZZZZZZZZZZZZZZZZZZ", 4711, "python/0.1.0"),
            {"type": "ready"},
            {"type": "ping", "id": 7},
            protocol.heartbeat(1),
            protocol.heartbeat(
                2, **{**beat, "feeds": {"BTCUSDT": 1732299999000}, "components": {"ws": "up"}}
            ),
            protocol.degraded("falls back to the file"),
            protocol.degraded(None),
            protocol.stopping("asked"),
            protocol.stopping(None),
            protocol.reconciled(True, None),
            protocol.reconciled(False, "1 order unknown to the exchange"),
            protocol.metric("latency_ms", 3.25, {"venue": "kraken"}),
            protocol.closing(78, 'no API key: über "quoted" \u2028'),
            protocol.crash("ValueError", "bad price", "Traceback (most recent call last):\n  ..."),
        ]
        lines = [protocol.encode(message) for message in written]
        self.assertTrue(all(line is not None and line.count(b"\n") == 1 for line in lines))
        self.assertEqual([json.loads(line or b"") for line in lines], self.vectors["module"])

    def test_messages_are_read_as_the_vectors_say(self) -> None:
        for message in self.vectors["mark"]:
            line = protocol.encode(message)
            self.assertEqual(protocol.parse(line or b""), message)
        for entry in self.vectors["refused"][:4]:
            self.assertIsNone(protocol.parse(entry["line"].encode()), entry["name"])


class Linked(Place):
    def setUp(self) -> None:
        super().setUp()
        self.path = str(self.root / "mark.sock")

    def module(self, **more: str) -> Module:
        made = Module(read_environment(self.marks(**more)))
        self.addCleanup(made._line.end)
        return made

    def mark(self, reads: bool = True) -> FakeMark:
        made = FakeMark(self.path, reads)
        self.addCleanup(self.quietly, made)
        return made

    @staticmethod
    def quietly(made: FakeMark) -> None:
        try:
            made.close()
        except OSError:
            pass

    def test_hello_comes_first_then_what_was_said(self) -> None:
        mark, module = self.mark(), self.module()
        module.ready()
        module.heartbeat(state="trading", feeds={"BTCUSDT": 5})
        module.ping()
        module.metric("m", 1, {"a": 1})
        module.reconciled()
        until(lambda: mark.of("reconciled"))
        self.assertEqual(mark.heard[0]["type"], "hello")
        self.assertEqual((mark.heard[0]["v"], mark.heard[0]["pid"]), (1, os.getpid()))
        beat = mark.of("heartbeat")[0]
        self.assertEqual((beat["seq"], beat["feeds"]), (1, [{"name": "BTCUSDT", "last_tick_ts": 5}]))
        until(lambda: mark.of("metric"))
        self.assertEqual(mark.of("metric")[0]["labels"], {"a": "1"})

    def test_while_mark_is_away_the_newest_of_each_is_kept_and_no_call_waits(self) -> None:
        module = self.module()
        module.ready()
        module.degraded("file")
        longest = 0.0
        for i in range(2000):
            begin = time.perf_counter()
            module.heartbeat(open_orders=i)
            module.metric(f"m{i}", i)
            longest = max(longest, time.perf_counter() - begin)
        self.assertLess(longest, 0.5)
        self.assertLess(len(module._line._due), 110)
        mark = self.mark()
        until(lambda: mark.of("heartbeat"))
        self.assertEqual([m["open_orders"] for m in mark.of("heartbeat")], [1999])
        self.assertEqual(mark.of("degraded")[0]["reason"], "file")

    def test_a_restarted_mark_is_told_again_what_is_still_true(self) -> None:
        mark, module = self.mark(), self.module()
        module.ready()
        module.heartbeat(positions=1)
        module.metric("once", 1)
        until(lambda: mark.of("metric"))
        mark.close()
        module.heartbeat(positions=2)
        again = self.mark()
        until(lambda: again.of("heartbeat") and again.of("ready"))
        self.assertEqual(again.heard[0]["type"], "hello")
        self.assertEqual(again.of("heartbeat")[0]["positions"], 2)
        module.ping()
        until(lambda: again.of("ping"))
        self.assertEqual(again.of("metric"), [])

    def test_a_mark_that_reads_nothing_holds_nothing_up(self) -> None:
        mark, module = self.mark(reads=False), self.module()
        until_connected = "x" * 3000
        begin = time.monotonic()
        for i in range(3000):
            module.heartbeat(
                version=str(i), components=[{"name": str(j), "state": until_connected} for j in range(5)]
            )
        self.assertLess(time.monotonic() - begin, 10)
        self.assertLessEqual(len(module._line._out), 65536)
        self.assertLessEqual(len(module._line._due), 2)
        self.assertLessEqual(len(mark.links), 1)

    def test_garbage_from_mark_is_survived(self) -> None:
        mark, module = self.mark(), self.module()
        module.ready()
        until(lambda: mark.of("ready"))
        mark.raw(b'\xff\xfe\n[1]\n{"type":7}\n\n{"type":"sing"}\n{"type":')
        mark.raw(b'"pong","id":1}\n')
        module.ping()
        until(lambda: mark.of("ping"))
        count = len(mark.links)
        mark.raw(b"x" * 200_000)
        until(lambda: len(mark.links) > count)
        until(lambda: len(mark.of("ready")) == 2)

    def test_values_that_make_no_sense_are_left_out(self) -> None:
        mark, module = self.mark(), self.module()
        module.heartbeat(
            state="flying", exposure=float("nan"), positions="x",  # type: ignore[arg-type]
            feeds={"a": None, "b": 3}, version="v" * 500, loop_lag_ms=object(),  # type: ignore
        )  # fmt: skip
        module.metric("a", float("inf"))
        module.metric("b", None)  # type: ignore[arg-type]
        module.status("x\ny")
        module.ready()
        until(lambda: mark.of("ready"))
        beat = mark.of("heartbeat")[0]
        self.assertEqual(set(beat), {"type", "seq", "ts", "feeds", "version"})
        self.assertEqual(beat["feeds"], [{"name": "a"}, {"name": "b", "last_tick_ts": 3}])
        self.assertEqual(mark.of("metric"), [])

    def test_the_keeper_is_told_over_notify_socket(self) -> None:
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(keeper.close)
        keeper.settimeout(10)
        module = self.module(NOTIFY_SOCKET=str(self.root / "notify"), WATCHDOG_USEC="1000000")
        module.ready()
        time.sleep(0.05)  # nobody listens yet: it is said again
        keeper.bind(str(self.root / "notify"))
        self.assertEqual(keeper.recv(100), b"READY=1")
        module.heartbeat()
        self.assertEqual(keeper.recv(100), b"WATCHDOG=1")
        module.status("all\nis well")
        self.assertEqual(keeper.recv(100), b"STATUS=all is well")
        module.stopping("asked")
        self.assertEqual(keeper.recv(100), b"STOPPING=1")

    def test_a_forked_child_has_a_line_of_its_own_or_none(self) -> None:
        mark = self.mark()
        code = (
            "import os, sys, mark_sdk as mark\nmark.ready()\n"
            "while not mark.connected(): pass\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    if sys.argv[1] == 'talk': mark.ping()\n"
            "    sys.exit(0)\n"
            "os.waitpid(pid, 0)\nmark.metric('after', 1)\n"
        )
        self.assertEqual(self.run_program(code, "silent").stderr, b"")
        until(lambda: mark.of("metric"))
        self.assertEqual(len(mark.of("hello")), 1)
        self.assertEqual(self.run_program(code, "talk").stderr, b"")
        until(lambda: len(mark.of("metric")) == 2)
        hellos = mark.of("hello")
        self.assertEqual(len({hello["pid"] for hello in hellos}), 3)
        self.assertEqual(len(mark.of("ready")), 2)
        self.assertEqual(len(mark.of("ping")), 1)

    def test_processor_time_at_five_heartbeats_a_second_is_small(self) -> None:
        self.mark()
        code = (
            "import time, resource, mark_sdk as mark\nmark.ready()\nt = time.process_time()\n"
            "for i in range(15):\n    mark.heartbeat(state='trading', feeds={'a': 1})\n    time.sleep(0.2)\n"
            "print(time.process_time() - t)"
        )
        spent = float(self.run_program(code).stdout)
        self.assertLess(spent / 3, 0.02, "share of one core")


if __name__ == "__main__":
    unittest.main()
