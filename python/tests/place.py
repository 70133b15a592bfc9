"""Where tests find the package and a fresh directory; what a program under MARK gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict

SOURCE = Path(__file__).resolve().parents[1] / "src"
VECTORS = Path(__file__).resolve().parents[2] / "test" / "vectors" / "module-protocol.json"
LONG = os.environ.get("MARK_LONG") == "1"
SEED = int(os.environ.get("MARK_SEED", "1"))


class Place(unittest.TestCase):
    """A test with a directory of its own, like a fleet's state directory."""

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mark-sdk-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.state = self.root / "state"
        (self.root / "halt").mkdir()

    def marks(self, **more: str) -> Dict[str, str]:
        return {
            "MARK_FLEET": "paper",
            "MARK_MODULE": "teea",
            "MARK_RUN_ID": "01HZZZZZZZZZZZZZZZZZZZZZZZ",
            "MARK_ROOT": str(self.root),
            "MARK_STATE_DIR": str(self.state),
            "MARK_LOG_DIR": str(self.root / "logs"),
            "MARK_SOCKET": str(self.root / "mark.sock"),
            "MARK_HALT_FILE": str(self.root / "halt" / "teea"),
            **more,
        }

    def program(self, code: str, *args: str, inside: bool = True, **more: Any) -> subprocess.Popen[bytes]:
        """Starts Python with `code`; ended at the end of the test."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("MARK_") and k != "NOTIFY_SOCKET"}
        env = {
            **base,
            "PYTHONPATH": str(SOURCE),
            "PYTHONWARNINGS": "ignore:This process",
            **(self.marks() if inside else {}),
            **more.pop("env", {}),
        }
        options: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen([sys.executable, "-c", code, *args], env=env, **options)
        self.addCleanup(self._end, process)
        return process

    def run_program(self, code: str, *args: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        process = self.program(code, *args, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream is not None:
                stream.close()
