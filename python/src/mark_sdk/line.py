"""The line to MARK: one daemon thread does all socket work, looks at the halt file twice a second, and tells
the rest of the SDK what it heard. Callers only leave the newest message of each kind under a lock.

It promises bounded memory, that no call waits for MARK, and that nothing here ends the module. It keeps no
history: what is still true is said again on a new connection.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import threading
import time
from collections.abc import Hashable
from typing import Callable, Dict, List, Optional

from . import protocol
from .environment import Environment
from .notify import NotifySocket
from .protocol import LINE_MAX_BYTES, Message
from .safe_point import forget_lock, make_lock

STILL_TRUE = ("ready", "degraded", "reconciled", "stopping", "heartbeat")
METRICS_MAX = 100
BACKOFF_S = (0.1, 5.0)
LOOK_S = 0.5
NOTICE_AGAIN_S = 0.1


class Line:
    """`on_message` and `on_look` are called in the line's thread and must return quickly."""

    def __init__(
        self,
        environment: Environment,
        sdk: str,
        on_message: Callable[[Message], None],
        on_look: Callable[[], None],
    ) -> None:
        self._environment, self._sdk = environment, sdk
        self._on_message, self._on_look = on_message, on_look
        self.connections = 0
        self._lock = make_lock()
        self._clear()

    def _clear(self) -> None:
        self._kept: Dict[str, Message] = {}
        self._due: Dict[Hashable, Message] = {}
        self._notices: Dict[str, str] = {}
        self._metrics = 0
        self._thread: Optional[threading.Thread] = None
        self._wakers: Optional[List[int]] = None
        self._socket: Optional[socket.socket] = None
        self._notify = NotifySocket(self._environment.notify_socket)
        self._out = b""
        self._in = b""
        self._connected = self._tried = self._welcomed = self._over = False
        self._failures = 0
        self._connect_at = self._look_at = self._notice_at = 0.0

    @property
    def connected(self) -> bool:
        return self._connected

    def say(self, kind: Hashable, message: Optional[Message], notice: Optional[str] = None) -> None:
        """The newest of its kind is said when MARK is there; `notice` also on NOTIFY_SOCKET."""
        if not self._environment.supervised:
            return
        with self._lock:
            if notice is not None and self._environment.notify_socket is not None:
                self._notices[notice.partition("=")[0]] = notice
            if message is not None and self._environment.socket is not None:
                self._keep(kind, message)
            self._start()
            self._wake()

    def watch(self) -> None:
        """Starts the thread for the halt file and what MARK says, with nothing to say."""
        if self._environment.supervised:
            with self._lock:
                self._start()

    def _keep(self, kind: Hashable, message: Message) -> None:
        if isinstance(kind, str) and kind in STILL_TRUE:
            self._kept[kind] = message
        elif isinstance(kind, tuple) and kind not in self._due:
            if self._metrics >= METRICS_MAX:
                protocol.warn_once(
                    "metrics", f"more than {METRICS_MAX} metrics wait for MARK: further ones are lost"
                )
                return
            self._metrics += 1
        self._due[kind] = message

    def drain(self, timeout_s: float) -> bool:
        """For the end of the process: waits until all is said, at most `timeout_s`, not at all where MARK is
        away."""
        end = time.monotonic() + timeout_s
        thread = self._thread
        while thread is not None and thread.is_alive() and time.monotonic() < end:
            with self._lock:
                away = self._tried and not self._connected
                # MARK asks who speaks when it says welcome: a process that is gone by then said nothing.
                said = self._welcomed and not self._due and not self._out
                if not self._notices and (said or away or self._environment.socket is None):
                    break
            time.sleep(0.002)
        with self._lock:
            return not (self._due or self._out or self._notices)

    def end(self) -> None:
        """Ends the thread; for tests, and for programs that live on after MARK's part of them."""
        self._over = True
        self._wake()
        if self._thread is not None:
            self._thread.join(5)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """The child says nothing until it uses the SDK itself; the descriptors are the parent's."""
        if self._socket is not None:
            self._socket.close()
        self._notify.close()
        for waker in self._wakers or []:
            os.close(waker)
        forget_lock(self._lock)
        self._lock = make_lock()
        self._clear()

    def _start(self) -> None:
        if self._thread is not None:
            return
        try:
            self._wakers = list(os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
            thread = threading.Thread(target=self._run, name="mark-line", daemon=True)
            thread.start()
            self._thread = thread
        except (OSError, RuntimeError) as error:  # no descriptors, no threads: the next call tries again
            for waker in self._wakers or []:
                os.close(waker)
            self._wakers = None
            protocol.warn_once("start", f"cannot speak to MARK: {error}")

    def _wake(self) -> None:
        if self._wakers is not None:
            try:
                os.write(self._wakers[1], b".")
            except OSError:  # full: it is awake
                pass

    def _run(self) -> None:
        while not self._over:
            try:
                self._turn()
            except Exception as error:  # whatever it is, the module goes on
                protocol.warn_once("line", f"trouble with MARK's socket: {error!r}")
                self._disconnect()
                time.sleep(LOOK_S)
        self._disconnect()

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._on_look()
        if self._notices and now >= self._notice_at:
            self._send_notices(now)
        if self._socket is None and self._environment.socket is not None and now >= self._connect_at:
            self._connect(self._environment.socket)
        if self._socket is not None:
            self._write()
        self._wait()

    def _wait(self) -> None:
        assert self._wakers is not None
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        until = self._look_at
        if self._socket is not None:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
        elif self._environment.socket is not None:
            until = min(until, self._connect_at)
        if self._notices:
            until = min(until, self._notice_at)
        ready = poll.poll(max(0, until - time.monotonic()) * 1000 + 1)
        for handle, _ in ready:
            if handle == self._wakers[0]:
                os.read(handle, 4096)
            else:
                self._read()

    def _send_notices(self, now: float) -> None:
        with self._lock:
            notices = list(self._notices.items())
        for key, text in notices:
            if not self._notify.send(text):
                self._notice_at = now + NOTICE_AGAIN_S
                return
            with self._lock:
                if self._notices.get(key) == text:
                    del self._notices[key]

    def _connect(self, path: str) -> None:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            link.setblocking(False)
            link.connect(path)
        except OSError:
            link.close()
            self._tried = True
            self._later()
            return
        hello = protocol.encode(protocol.hello(self._environment.run.run_id, os.getpid(), self._sdk))
        with self._lock:
            self._socket, self._in, self._out = link, b"", hello or b""
            due: Dict[Hashable, Message] = {}
            due.update(self._kept.items())
            due.update(self._due)
            self._due = due
            self._connected = self._tried = True
            self.connections += 1

    def _later(self) -> None:
        wait = min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(self._failures, 10))
        self._failures += 1
        self._connect_at = time.monotonic() + wait * random.uniform(0.5, 1)

    def _disconnect(self) -> None:
        with self._lock:
            link, self._socket, self._out, self._in = self._socket, None, b"", b""
            self._connected = self._welcomed = False
        if link is not None:
            link.close()
        self._later()

    def _write(self) -> None:
        while self._socket is not None:
            if not self._out:
                self._next()
            if not self._out:
                return
            try:
                sent = self._socket.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._disconnect()
                return
            with self._lock:
                self._out = self._out[sent:]

    def _next(self) -> None:
        with self._lock:
            while self._due and not self._out:
                kind = next(iter(self._due))
                message = self._due.pop(kind)
                if isinstance(kind, tuple):
                    self._metrics -= 1
                data = protocol.encode(message)
                if data is None:
                    protocol.warn_once("long", f"{message['type']}: too long for MARK, or no JSON: not said")
                self._out = data or b""

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(LINE_MAX_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            data = b"" if error.errno != errno.EAGAIN else b"\n"
        lines = (self._in + data).split(b"\n")
        self._in = lines.pop()
        if not data or len(self._in) > LINE_MAX_BYTES:
            self._disconnect()
            return
        for line in lines:
            message = protocol.parse(line) if line.strip() else None
            if message is not None:
                if message["type"] == "welcome":
                    self._failures = 0
                    self._welcomed = True
                self._on_message(message)
