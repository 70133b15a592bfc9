"""PersistentMap as a module uses it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

from mark_sdk import PersistentMap, StateBusy, StateError, StateFenced, StateLost, StateWriteFailed
from mark_sdk import file_identity
from mark_sdk import persistent_map as module

from .place import SOURCE, Place

FORK = "import os, sys\nfrom mark_sdk import *\nm = PersistentMap('a')\n"


class Keeps(Place):
    def open(self, name: str = "a", **more: float) -> PersistentMap:
        opened = PersistentMap(name, dir=self.state, **more)
        self.addCleanup(self.quietly, opened)
        return opened

    @staticmethod
    def quietly(opened: PersistentMap) -> None:
        try:
            opened.close()
        except StateError:
            pass

    def test_what_was_set_is_there_again(self) -> None:
        values = {
            "a": 1,
            "ü\u2028😀": [1.5, None, True, {"x": 'é"\\\n'}],
            "big": 2**70,
            "e": {},
            "half": "\ud800",
        }
        with self.open() as first:
            first.update(values)
            first["gone"] = 1
            del first["gone"]
        with self.open() as second:
            self.assertEqual(dict(second), values)
            self.assertTrue((self.state / "a.db.bak").exists())
            second["more"] = 1
            self.assertTrue(second.delete("a"))
            self.assertFalse(second.delete("a"))
        self.assertEqual(len(self.open()), 5)

    def test_values_are_copies(self) -> None:
        opened = self.open()
        value = {"list": [1]}
        opened["a"] = value
        value["list"].append(2)
        opened["a"]["list"].append(3)
        self.assertEqual(opened["a"], {"list": [1]})

    def test_what_is_no_json_raises_and_changes_nothing(self) -> None:
        opened = self.open()
        ring: list = []
        ring.append(ring)
        for value in (float("nan"), float("inf"), {1: 2}, object(), b"x", {"a": {None: 1}}, ring, [set()]):
            with self.assertRaises((TypeError, ValueError, RecursionError)):
                opened["a"] = value
        for key in ("a\0b", "\ud800", "x" * 4097, 7):
            with self.assertRaises((TypeError, ValueError)):
                opened[key] = 1  # type: ignore[index]
        self.assertEqual(dict(opened), {})

    def test_background_writes_come_by_themselves(self) -> None:
        opened = self.open(interval=0.01)
        opened["a"] = 1
        end = time.monotonic() + 10
        while opened._pending or not self.count_on_disk():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def count_on_disk(self) -> int:
        # A copy: this process must not open the file while the map has it.
        code = "import shutil,sys;[shutil.copy(sys.argv[1]+e, sys.argv[2]+e) for e in ('', '-journal')]"
        source, copy = str(self.state / "a.db"), str(self.root / "copy.db")
        subprocess.run([sys.executable, "-c", code, source, copy], check=True)
        db = sqlite3.connect(copy)
        try:
            return int(db.execute("SELECT count(*) FROM entries").fetchone()[0])
        finally:
            db.close()

    def test_a_transaction_is_all_or_none(self) -> None:
        opened = self.open()
        opened.update({"a": 1, "b": 2})
        with self.assertRaises(ZeroDivisionError), opened.transaction() as both:
            both["a"] = 9
            del both["b"]
            raise ZeroDivisionError
        self.assertEqual(dict(opened), {"a": 1, "b": 2})
        with opened.transaction(durable=True) as both:
            both["a"] += 1
            del both["b"]
            self.assertEqual(dict(both), {"a": 2})
            self.assertEqual(dict(opened), {"a": 1, "b": 2})
        self.assertEqual(dict(opened), {"a": 2})
        self.assertEqual(self.count_on_disk(), 1)

    def test_threads_lose_nothing(self) -> None:
        opened = self.open(interval=0.005)

        def work(who: int) -> None:
            for i in range(300):
                opened[f"{who}-{i}"] = i
                with opened.transaction(durable=i % 50 == 0) as changes:
                    changes["sum"] = changes.get("sum", 0) + 1

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        opened.close()
        again = self.open()
        self.assertEqual(again["sum"], 1200)
        self.assertEqual(len(again), 1201)

    def test_opening_twice_is_refused(self) -> None:
        self.open()
        with self.assertRaises(StateBusy):
            self.open()

    def test_another_process_is_refused_and_waits_for_the_end(self) -> None:
        opened = self.open()
        opened.set("a", 1, durable=True)
        code = "from mark_sdk import *\ntry: PersistentMap('a')\nexcept StateBusy: print('busy')"
        self.assertEqual(self.run_program(code).stdout, b"busy\n")
        waiting = self.program("from mark_sdk import *\nprint(PersistentMap('a')['a'])")
        time.sleep(0.3)
        opened.close()
        self.assertEqual(waiting.communicate(timeout=30)[0], b"1\n")

    def test_two_that_begin_together_get_it_one_after_the_other(self) -> None:
        code = "from mark_sdk import *\nm = PersistentMap('a'); m['n'] = m.get('n', 0) + 1; m.close()"
        programs = [self.program(code) for _ in range(6)]
        for program in programs:
            self.assertEqual((program.communicate(timeout=60)[1], program.returncode), (b"", 0))
        self.assertEqual(self.open()["n"], 6)

    def test_lost_state_never_starts_empty(self) -> None:
        with self.open() as opened:
            opened["a"] = 1
        (self.state / "a.db").write_bytes(b"")
        with self.assertRaisesRegex(StateLost, "empty"):
            self.open()
        (self.state / "a.db").unlink()
        with self.assertRaisesRegex(StateLost, "gone"):
            self.open()
        self.assertFalse((self.state / "a.db").exists())

    def test_lost_state_ends_the_module_with_exit_11(self) -> None:
        self.state.mkdir()
        (self.state / "a.exists").touch()
        done = self.run_program("import mark_sdk\nmark_sdk.PersistentMap('a')")
        self.assertEqual(done.returncode, 11, done.stderr)
        self.assertIn(b"StateLost", done.stderr)

    def test_rows_that_another_program_changed_are_lost(self) -> None:
        changes = (
            "UPDATE entries SET value = '2'", "DELETE FROM entries",
            "UPDATE meta SET value = 7 WHERE name = 'count'",
            "UPDATE meta SET value = 9 WHERE name = 'fence'", "DELETE FROM meta WHERE name = 'check'",
            "CREATE TABLE more (a)", "DROP TABLE entries", "UPDATE meta SET value = 2 WHERE name = 'format'",
            "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
        )  # fmt: skip
        with self.open() as opened:
            opened.update({"a": 1, "b": 2})
        whole = (self.state / "a.db").read_bytes()
        for change in changes:
            (self.state / "a.db").write_bytes(whole)
            db = sqlite3.connect(str(self.state / "a.db"))
            db.execute(change)
            db.commit()
            db.close()
            with self.subTest(change), self.assertRaises(StateLost):
                self.open()

    def test_a_higher_fence_keeps_an_earlier_run_out(self) -> None:
        with self.fence("7"), self.open() as opened:
            opened["a"] = 1
        with self.fence("6"), self.assertRaises(StateFenced):
            self.open()
        with self.fence("8"), self.open() as opened:
            # As if a successor had had the file while this run was cut off.
            opened._file._fence = 7
            with self.assertRaises(StateFenced):
                opened.set("a", 2, durable=True)
            opened._file._fence = 8
        self.assertEqual(self.open()["a"], 2)

    def fence(self, value: str):  # type: ignore[no-untyped-def]
        from unittest.mock import patch

        return patch.dict(os.environ, {"MARK_FENCE": value})

    def test_without_a_directory_it_says_so(self) -> None:
        from unittest.mock import patch

        with patch.dict(os.environ), self.assertRaisesRegex(StateError, "MARK_STATE_DIR"):
            os.environ.pop("MARK_STATE_DIR", None)
            PersistentMap("a")
        with self.assertRaisesRegex(StateError, "no name"):
            self.open("../a")
        with self.assertRaises(StateWriteFailed):
            PersistentMap("a", dir=self.root / "unmounted" / "state")

    def test_a_database_removed_under_it_is_no_silent_loss(self) -> None:
        from unittest.mock import patch

        opened = self.open()
        os.rename(self.state / "a.db", self.state / "elsewhere.db")
        with self.assertRaisesRegex(StateWriteFailed, "removed or replaced"):
            opened.set("a", 1, durable=True)
        os.rename(self.state / "elsewhere.db", self.state / "a.db")
        opened.flush()
        # And when only the directory was looked at for long.
        os.utime(self.state, (1, 1))
        with patch.object(file_identity, "SETTLED_S", -1):
            opened.set("a", 2, durable=True)
        os.rename(self.state / "a.db", self.state / "elsewhere.db")
        with self.assertRaisesRegex(StateWriteFailed, "removed or replaced"):
            opened.set("a", 3, durable=True)
        os.rename(self.state / "elsewhere.db", self.state / "a.db")
        opened.flush()

    def test_a_failed_write_raises_once_and_is_tried_again(self) -> None:
        opened = self.open(interval=0.01)
        whole = opened._file.write
        opened._file.write = self.fail_write  # type: ignore[method-assign]
        opened["a"] = 1
        end = time.monotonic() + 10
        while opened._error is None:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        with self.assertRaises(StateWriteFailed):
            opened["b"] = 2
        opened._file.write = whole  # type: ignore[method-assign]
        opened.flush()
        opened["c"] = 3
        opened.close()
        self.assertEqual(dict(self.open()), {"a": 1, "b": 2, "c": 3})

    @staticmethod
    def fail_write(changes: object) -> None:
        raise StateWriteFailed("no room")

    def test_close_ends_within_its_bound_when_the_disk_hangs(self) -> None:
        from unittest.mock import patch

        opened = self.open()
        free = threading.Event()
        self.addCleanup(free.set)
        opened._file.write = lambda changes: free.wait(60)  # type: ignore
        opened["a"] = 1
        begin = time.monotonic()
        with patch.object(module, "CLOSE_S", 1.0), self.assertRaises(StateError):
            opened.close()
        self.assertLess(time.monotonic() - begin, 2)

    def test_the_end_of_the_process_writes_what_is_due(self) -> None:
        done = self.run_program("from mark_sdk import *\nm = PersistentMap('a', interval=60)\nm['a'] = 1")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(self.open()["a"], 1)

    def test_a_forked_child_can_do_no_harm(self) -> None:
        code = (
            FORK
            + (
                "m.set('a', 1, durable=True)\n"
                "pid = os.fork()\n"
                "if pid == 0:\n"
                "    assert m['a'] == 1\n"
                "    try: m['a'] = 2\n"
                "    except StateError: sys.exit(3)\n"
                "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3\n"
                "m.set('b', 2, durable=True); m.close()\n"
            )
            if hasattr(os, "waitstatus_to_exitcode")
            else "raise SystemExit(0)"
        )
        done = self.run_program(code)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(dict(self.open()), {"a": 1, "b": 2})

    def test_forks_amid_writes_neither_hang_nor_harm(self) -> None:
        code = FORK + (
            "import threading\n"
            "def w():\n"
            "    for i in range(400): m.set(str(i), i, durable=True)\n"
            "t = threading.Thread(target=w); t.start()\n"
            "while t.is_alive():\n"
            "    pid = os.fork()\n"
            "    if pid == 0: sys.exit(0)\n"
            "    os.waitpid(pid, 0)\n"
            "m.close()\n"
        )
        done = self.run_program("import warnings; warnings.simplefilter('ignore')\n" + code)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(len(self.open()), 400)

    def test_asyncio_flushes_without_stopping_the_loop(self) -> None:
        import asyncio

        opened = self.open()

        async def main() -> None:
            opened["a"] = 1
            await opened.aflush()
            await opened.aclose()

        asyncio.run(main())
        self.assertEqual(self.open()["a"], 1)


class Refused(Place):
    def test_a_directory_that_cannot_be_written(self) -> None:
        self.state.mkdir()
        os.chmod(self.root, 0o755)
        os.chmod(self.state, 0o555)
        become = "import os\nif os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        code = (
            become
            + "from mark_sdk import *\ntry: PersistentMap('a')\nexcept StateWriteFailed: print('refused')"
        )
        done = self.run_program(become_reads(code))
        self.assertEqual(done.stdout, b"refused\n", done.stderr)

    @unittest.skipUnless(os.getuid() == 0, "SKIPPED: a full disk needs root (tmpfs of 1 MB)")
    def test_a_full_disk_raises_keeps_memory_and_recovers(self) -> None:
        self.state.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "mark-sdk", str(self.state)]).returncode:
            self.skipTest("SKIPPED: mount is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.state)])
        opened = PersistentMap("a", dir=self.state, interval=0.01)
        opened.set("kept", 1, durable=True)
        ballast = self.state / "ballast"
        room = os.statvfs(self.state)
        ballast.write_bytes(b"x" * (room.f_bavail * room.f_bsize - 8192))
        with self.assertRaises(StateWriteFailed):
            for i in range(100):
                opened.set(str(i), "x" * 5000, durable=True)
        known = dict(opened)
        begin = time.monotonic()
        with self.assertRaises(StateError):
            opened.close()
        self.assertLess(time.monotonic() - begin, 5.5)
        ballast.unlink()
        with PersistentMap("a", dir=self.state) as again:
            self.assertEqual(again["kept"], 1)
            for key in again:
                self.assertEqual(again[key], known[key])
            again.update(known)
            again.flush()
            # Memory and disk agree again without anybody's help once there is room.
            ballast.write_bytes(b"x" * 100)


def become_reads(code: str) -> str:
    """The package is imported before the privileges go: its directory may be closed to others."""
    return f"import sys; sys.path.insert(0, {str(SOURCE)!r})\nimport mark_sdk, sqlite3, json\n" + code


if __name__ == "__main__":
    unittest.main()
