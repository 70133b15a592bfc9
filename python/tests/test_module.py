"""What a module hears and what its end leaves behind: halts, stops, crashes, and life outside MARK."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import unittest

from mark_sdk import Exit, Module, now, read_environment

from .fake_mark import FakeMark, until
from .place import SOURCE, Place


class Heard(Place):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.root / "halt" / "teea"
        self.kill = self.root / "KILL"

    def module(self) -> Module:
        made = Module(read_environment(self.marks()))
        self.addCleanup(made._line.end)
        return made

    def test_the_halt_level_is_read_from_the_file_alone(self) -> None:
        module = self.module()
        self.assertIsNone(module.halt_level())
        for text, level in (
            ("pause", "pause"),
            ("halt\n", "halt"),
            ("flatten", "flatten"),
            ("", "halt"),
            ("x", "halt"),
        ):
            self.file.write_text(text)
            self.assertEqual(module.halt_level(), level)
        self.file.write_bytes(b"\xff" * 200)
        self.assertEqual(module.halt_level(), "halt")
        self.file.unlink()
        for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/nowhere", path)):
            make(self.file)
            self.assertEqual(module.halt_level(), "halt")
            os.rmdir(self.file) if os.path.isdir(self.file) else os.unlink(self.file)
        self.file.write_text("pause")
        self.kill.touch()
        self.assertEqual(module.halt_level(), "halt")
        self.file.write_text("flatten")
        self.assertEqual(module.halt_level(), "flatten")
        self.file.unlink()
        self.kill.unlink()
        self.assertIsNone(module.halt_level())

    def put(self, level: str) -> None:
        """As MARK writes it: never half there."""
        draft = self.root / "draft"
        draft.write_text(level)
        os.replace(draft, self.file)

    def test_a_change_of_the_file_calls_back_with_no_mark_alive(self) -> None:
        module, heard = self.module(), []
        module.on_pause(lambda reason: heard.append(("pause", reason)))
        module.on_halt(lambda level, reason: heard.append((level, reason)))
        module.on_resume(lambda: heard.append("resume"))
        self.put("pause")
        until(lambda: heard == [("pause", "halt file")], 4, heard)
        self.kill.touch()
        until(lambda: heard[1:] == [("halt", "halt file")])
        self.put("flatten")
        until(lambda: heard[2:] == [("flatten", "halt file")])
        self.file.unlink()
        self.kill.unlink()
        until(lambda: heard[3:] == ["resume"])

    def test_the_strictest_of_file_and_socket_counts(self) -> None:
        mark = FakeMark(str(self.root / "mark.sock"))
        self.addCleanup(mark.close)
        mark.halt = "pause"  # type: ignore[assignment]
        module, heard = self.module(), []
        module.on_pause(lambda: heard.append("pause"))
        module.on_halt(lambda level: heard.append(level))
        module.on_resume(lambda: heard.append("resume"))
        until(lambda: heard == ["pause"])
        mark.say(type="halt", level="flatten", reason="operator")
        until(lambda: heard[1:] == ["flatten"])
        self.put("halt")
        mark.say(type="resume")
        until(lambda: heard[2:] == ["halt"])
        self.file.unlink()
        until(lambda: heard[3:] == ["resume"])
        module.on_activate(lambda: heard.append("active"))
        mark.say(type="activate")
        until(lambda: heard[4:] == ["active"])

    def test_who_comes_late_hears_of_a_halt_that_stands(self) -> None:
        self.file.write_text("halt")
        module, heard = self.module(), []
        module.on_pause(lambda: heard.append("never"))
        until(lambda: module._level == "halt")
        module.on_halt(lambda level: heard.append(level))
        until(lambda: heard == ["halt"])

    def test_a_callback_that_hangs_or_raises_holds_no_heartbeat_up(self) -> None:
        mark = FakeMark(str(self.root / "mark.sock"))
        self.addCleanup(mark.close)
        module = self.module()
        begun = []

        def hang() -> None:
            begun.append(1)
            time.sleep(2)

        module.on_pause(lambda: 1 / 0)
        module.on_pause(hang)
        module.ready()
        until(lambda: mark.of("ready"))
        mark.say(type="pause")
        until(lambda: begun)
        module.ping()
        until(lambda: mark.of("ping"), 1.5)

    def test_coroutines_run_in_the_loop(self) -> None:
        import asyncio

        module, heard = self.module(), []

        @module.on_halt
        async def early(level: str) -> None:
            heard.append((level, asyncio.get_running_loop()))

        async def main() -> None:
            module.ready()  # from here on the loop is known
            loop = asyncio.get_running_loop()
            module.on_pause(lambda: heard.append(("pause", asyncio.get_running_loop())))
            self.put("pause")
            while len(heard) < 1:
                await asyncio.sleep(0.01)
            self.put("halt")
            while len(heard) < 2:
                await asyncio.sleep(0.01)
            self.assertEqual(heard, [("pause", loop), ("halt", loop)])

        asyncio.run(asyncio.wait_for(main(), 20))


class Ended(Place):
    def setUp(self) -> None:
        super().setUp()
        self.mark = FakeMark(str(self.root / "mark.sock"))
        self.addCleanup(self.mark.close)

    def test_a_crash_says_what_it_was_and_goes_on(self) -> None:
        code = (
            "import sys\nsys.excepthook = lambda *a: print('before', a[0].__name__)\n"
            "import mark_sdk as mark\nmark.ready()\ndef deep(): raise ValueError('bad \\ud800 price')\ndeep()"
        )
        done = self.run_program(code)
        self.assertEqual((done.returncode, done.stdout), (1, b"before ValueError\n"))
        crash = until(lambda: self.mark.of("crash"))[0]
        self.assertEqual(crash["error"]["type"], "ValueError")
        self.assertIn("in deep", crash["traceback"])
        self.assertEqual(until(lambda: self.mark.of("closing"))[0]["code"], 1)

    def test_a_thread_that_crashes_is_said_without_a_closing(self) -> None:
        code = (
            "import threading, mark_sdk as mark\n"
            "t = threading.Thread(target=lambda: [][1]); t.start(); t.join(); mark.metric('on', 1)"
        )
        done = self.run_program(code)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"IndexError", done.stderr)
        until(lambda: self.mark.of("metric"))
        self.assertEqual(self.mark.of("crash")[0]["error"]["type"], "IndexError")
        self.assertEqual(self.mark.of("closing"), [])

    def test_a_huge_crash_fits_in_a_line(self) -> None:
        code = "import mark_sdk\nraise ValueError('\\x00' * 200000)"
        self.assertEqual(self.run_program(code).returncode, 1)
        self.assertEqual(until(lambda: self.mark.of("crash"))[0]["error"]["type"], "ValueError")

    def test_exit_by_name_leaves_a_closing_record(self) -> None:
        code = "import mark_sdk as mark\nmark.exit(mark.Exit.CONFIGURATION, 'no API key')"
        self.assertEqual(self.run_program(code).returncode, 78)
        closing = until(lambda: self.mark.of("closing"))[0]
        self.assertEqual((closing["code"], closing["reason"]), (78, "no API key"))

    def test_the_end_does_not_wait_for_a_mark_that_is_away(self) -> None:
        begin = time.monotonic()
        env = {"MARK_SOCKET": "/nowhere/x", "NOTIFY_SOCKET": "/nowhere/y"}
        done = self.run_program("import mark_sdk as m\nm.ready()\nm.closing(3)", env=env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertLess(time.monotonic() - begin, 5)

    STOP = (
        "import mark_sdk as mark, signal, threading, time, sys\n"
        "signal.signal(signal.SIGTERM, lambda *a: print('older', flush=True))\n"
        "stop = threading.Event()\n"
        "@mark.on_stop\n"
        "def ending(why):\n"
        "    assert threading.current_thread() is threading.main_thread()\n"
        "    print('stop', why, flush=True); stop.set()\n"
        "mark.ready(); print('up', flush=True)\n"
    )

    def test_sigterm_calls_back_in_the_main_thread_says_stopping_and_calls_older_handlers(self) -> None:
        process = self.program(self.STOP + "stop.wait()\nprint('end')")
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        self.assertEqual((out, process.returncode, err), (b"stop SIGTERM\nolder\nend\n", 0, b""))
        self.assertEqual(until(lambda: self.mark.of("stopping"))[0]["reason"], "SIGTERM")

    def test_a_signal_amid_the_sdk_never_hangs(self) -> None:
        code = (
            "import mark_sdk as mark\n"
            "m = mark.PersistentMap('a', interval=0.001)\n"
            "@mark.on_stop\n"
            "def stop():\n"
            "    m.set('stopped', True, durable=True); m.close(); mark.heartbeat(); mark.exit(0)\n"
            "print('up', flush=True)\n"
            "i = 0\n"
            "while True:\n"
            "    i += 1; mark.heartbeat(); m.set('i', i, durable=i % 10 == 0); m.flush()\n"
        )
        for turn in range(12):
            process = self.program(code)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.01 * turn)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
            self.assertEqual((process.returncode, err), (0, b""))

    def test_an_async_on_stop_runs_in_the_loop(self) -> None:
        code = (
            "import asyncio, mark_sdk as mark\n"
            "async def main():\n"
            "    done = asyncio.Event()\n"
            "    @mark.on_stop\n"
            "    async def stop(why):\n"
            "        await asyncio.sleep(0); print(why); done.set()\n"
            "    print('up', flush=True)\n"
            "    await done.wait()\n"
            "asyncio.run(main())\n"
        )
        process = self.program(code)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=20), (b"SIGINT\n", b""))

    def test_without_on_stop_signals_do_what_they_always_did(self) -> None:
        process = self.program(
            "import mark_sdk as m, time\nm.ready(); print('up', flush=True)\ntime.sleep(60)"
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), -signal.SIGTERM)

    def test_a_forked_child_can_still_be_terminated(self) -> None:
        code = (
            "import mark_sdk as mark, multiprocessing as mp, time\n"
            "mark.on_stop(lambda: print('mine'))\n"
            "p = mp.get_context('fork').Process(target=time.sleep, args=(60,));"
            " p.start(); p.terminate(); p.join()\n"
            "print(p.exitcode)"
        )
        done = self.run_program(code)
        self.assertEqual((done.stdout, done.stderr), (b"-15\n", b""))
        self.assertEqual(self.mark.of("stopping"), [])


class Alone(Place):
    EVERYTHING = (
        "import mark_sdk as m, threading, signal, sys\n"
        "hook = sys.excepthook\n"
        "m.ready(); m.heartbeat(state='trading', feeds={'a': 1}); m.ping();"
        " m.degraded('x'); m.degraded(None)\n"
        "m.status('x'); m.stopping(); m.reconciled(False, 'x'); m.metric('a', 1); m.closing(1)\n"
        "for on in (m.on_stop, m.on_pause, m.on_resume, m.on_halt, m.on_activate): on(lambda *a: None)\n"
        "assert m.halt_level() is None and not m.connected() and m.run.run_id is None\n"
        "assert m.paths.state is None\n"
        "assert threading.active_count() == 1 and sys.excepthook is sys.__excepthook__\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )

    def test_outside_mark_every_call_does_nothing(self) -> None:
        done = self.run_program(self.EVERYTHING, inside=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_a_run_learns_why_it_was_started(self) -> None:
        env = self.marks(
            MARK_START_REASON="crash", MARK_PREVIOUS_EXIT="SIGKILL", MARK_ATTEMPT="3", MODE="REAL"
        )
        found = read_environment(env)
        self.assertEqual(
            (found.run.start_reason, found.run.previous_exit, found.run.attempt), ("crash", "SIGKILL", 3)
        )
        self.assertEqual(found.run.mode, "REAL")
        self.assertEqual(found.paths.data, self.root / "data")
        self.assertIsNone(read_environment({"MARK_ATTEMPT": "x", "MARK_PREVIOUS_EXIT": ""}).run.attempt)

    def test_now_says_how_far_it_may_be_believed(self) -> None:
        first = now()
        self.assertRegex(first.iso, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertLess(abs(first.unix_ns - time.time_ns()), 10**9)
        self.assertIn(first.quality, ("synchronised", "unsynchronised", "unknown"))
        self.assertEqual(first.offset_ms is None, first.quality != "synchronised")
        self.assertGreater(now().monotonic_ns, first.monotonic_ns)

    def test_exit_codes_have_names(self) -> None:
        found = {code.name: int(code) for code in Exit}
        self.assertEqual(found, {
            "OK": 0, "HALTED": 10, "RECONCILE": 11, "NEEDS_HUMAN": 12, "TRY_LATER": 75, "CREDENTIALS": 77,
            "CONFIGURATION": 78,
        })  # fmt: skip

    LOGGER = (
        "import logging, sys, os, time, mark_sdk as mark\n"
        "logging.basicConfig(level='INFO', handlers=[mark.LogHandler()])\n"
    )

    def test_log_lines_reach_stderr_before_the_end(self) -> None:
        done = self.run_program(
            self.LOGGER + "for i in range(5000): logging.info('line %d', i)", inside=False
        )
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 5000)
        self.assertRegex(lines[0], r"^\d{4}-.*T.*\.\d{3}Z INFO root: line 0$")
        self.assertTrue(lines[-1].endswith("line 4999"))

    def test_a_stderr_that_nobody_reads_holds_nothing_up(self) -> None:
        code = self.LOGGER + (
            "begin = time.monotonic()\nfor i in range(30000): logging.info('x' * 100)\n"
            "mark.loguru_sink('loguru line\\n')\n"
            "print(time.monotonic() - begin, flush=True)\n"
        )
        process = self.program(code, inside=False)
        assert process.stdout is not None and process.stderr is not None
        self.assertLess(float(process.stdout.readline()), 10)
        begin = time.monotonic()
        process.wait(20)
        self.assertLess(time.monotonic() - begin, 5)

    def test_lost_lines_are_counted(self) -> None:
        code = self.LOGGER + (
            "for i in range(30000): logging.info('x' * 100)\n"
            "print('full', flush=True)\nsys.stdin.readline()\n"
        )
        process = self.program(code, inside=False, stdin=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None and process.stdin is not None
        process.stdout.readline()
        process.stdin.write(b"\n")
        process.stdin.flush()
        text = process.stderr.read().decode()
        lost = [line for line in text.splitlines() if "log lines lost" in line]
        written = sum("INFO root" in line for line in text.splitlines())
        self.assertEqual(written + sum(int(line.split()[3]) for line in lost), 30000)
        self.assertTrue(lost)

    def test_importing_it_is_light(self) -> None:
        code = "import sys, mark_sdk\nprint('asyncio' in sys.modules, 'ctypes' in sys.modules)"
        self.assertEqual(self.run_program(code, inside=False).stdout, b"False False\n")
        self.assertTrue((SOURCE / "mark_sdk" / "py.typed").exists())
        self.assertGreaterEqual(sys.version_info, (3, 9))


if __name__ == "__main__":
    unittest.main()
