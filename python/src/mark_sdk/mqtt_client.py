"""The connection to a broker: one daemon thread does all socket work, connects again, keeps the connection
alive, and asks its user what to write next.

It promises that nothing here ends the module, that no caller waits for the network, and that a peer that says
nothing, or no MQTT, is left. It keeps no messages: what was not answered is the user's.
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
from typing import Any, List, Optional, Protocol

from . import mqtt_packet as mqtt
from .mqtt_address import Address, dial
from .protocol import warn_once

BACKOFF_S = 0.05
BACKOFF_OWN_MAX_S, BACKOFF_BROKER_MAX_S = 0.5, 30.0
DIAL_S = 5.0
CONNACK_S = 10.0
KEEPALIVE_S = 20
ALIVE_S = KEEPALIVE_S / 2
READ_BYTES = 65_536
TURN_FRAMES = 16
TELL_AWAY_S = 10.0
OUT_MAX_BYTES = 1_000_000
REFUSALS = {
    1: "MQTT version",
    2: "client id",
    3: "not available",
    4: "user name or password",
    5: "not allowed",
}


class User(Protocol):
    """All but `due` is called in the client's thread, and must return quickly."""

    def opened(self) -> None: ...

    def frames(self) -> bytes:
        """What to write next; asked again until it is empty."""

    def received(self, packet: mqtt.Packet) -> None: ...

    def closed(self) -> None: ...

    def due_at(self) -> Optional[float]:
        """When `frames` has something without a `wake`."""


class Client:
    def __init__(
        self,
        address: Address,
        client_id: str,
        username: Optional[str],
        password: Optional[str],
        user: User,
        lock: Any,
    ) -> None:
        self._address, self._user, self._lock = address, user, lock
        self._hello = mqtt.connect(client_id, username, password, KEEPALIVE_S)
        self._thread: Optional[threading.Thread] = None
        self._wakers: Optional[List[int]] = None
        self._is_awake = self._is_over = self._has_more = False
        self._socket: Any = None
        self._decoder = mqtt.Decoder()
        self._out = b""
        self._failures = 0
        self._connect_at = self._heard_at = self._said_at = 0.0
        self._asked_at: Optional[float] = None
        self._since = time.monotonic()
        self.connected = self.tried = False

    @property
    def idle(self) -> bool:
        """What the user gave is written."""
        return not self._out

    def start(self) -> None:
        """Under the lock. Where no thread is to be had the next call tries again."""
        if self._thread is not None:
            return
        try:
            self._wakers = list(os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
            thread = threading.Thread(target=self._run, name="mark-link", daemon=True)
            thread.start()
            self._thread = thread
        except (OSError, RuntimeError) as error:
            self._close_wakers()
            warn_once("link-start", f"cannot speak to the broker: {error}")

    def wake(self) -> None:
        """Under the lock: there is something to write."""
        if self.connected and not self._is_awake:
            self._is_awake = True
            self._poke()

    def end(self) -> None:
        """Says good-bye and ends the thread."""
        self._is_over = True
        self._poke()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1)

    def leave_to_parent(self) -> None:
        """In a forked child: closes what is the parent's without a word to the broker."""
        if self._socket is not None:
            self._socket.close()
        self._close_wakers()

    def _poke(self) -> None:
        if self._wakers is not None:
            try:
                os.write(self._wakers[1], b".")
            except OSError:  # full: it is awake
                pass

    def _close_wakers(self) -> None:
        for waker in self._wakers or []:
            os.close(waker)
        self._wakers = None

    def _run(self) -> None:
        while not self._is_over:
            try:
                self._turn()
            except (OSError, mqtt.MqttError) as error:
                self._lost(str(error))
            except Exception as error:  # whatever it is, the module goes on
                self._lost(repr(error))
        if self.connected:
            self._out += mqtt.DISCONNECT
            try:
                self._write_out()
            except OSError:
                pass
        self._drop()

    def _turn(self) -> None:
        now = time.monotonic()
        if self._socket is None:
            if now >= self._connect_at:
                self._connect()
            else:
                self._sleep(self._connect_at - now)
            return
        self._stay_alive(now)
        self._write()
        self._wait()

    def _sleep(self, seconds: float) -> None:
        assert self._wakers is not None
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        if poll.poll(seconds * 1000 + 1):
            self._clear_waker()

    def _clear_waker(self) -> None:
        assert self._wakers is not None
        # In this order: a wake between the two is answered by the frames that follow, a later one pokes.
        os.read(self._wakers[0], 4096)
        self._is_awake = False

    def _connect(self) -> None:
        try:
            dial(self._address, DIAL_S, self._hold)
        except (OSError, ValueError) as error:
            self._lost(str(error))
            return
        self._socket.setblocking(False)
        self._decoder = mqtt.Decoder()
        self._heard_at = self._said_at = time.monotonic()
        self._asked_at = None
        self._out = self._hello

    def _hold(self, made: Any) -> None:
        with self._lock:
            self._socket = made

    def _lost(self, why: str) -> None:
        if self.connected:
            self._since = time.monotonic()
            warn_once(f"link-lost {why[:40]}", f"the connection to the broker is lost: {why}")
        elif time.monotonic() - self._since > TELL_AWAY_S:
            warn_once("link-away", f"no connection to the broker: {why}")
        self.tried = True
        self._drop()
        most = BACKOFF_OWN_MAX_S if self._address.path is not None else BACKOFF_BROKER_MAX_S
        self._connect_at = time.monotonic() + backoff_s(self._failures, most) * random.uniform(0.5, 1)
        self._failures += 1

    def _drop(self) -> None:
        with self._lock:
            gone, self._socket, self._out = self._socket, None, b""
            was_connected, self.connected = self.connected, False
            if was_connected:
                self._user.closed()
        if gone is not None:
            gone.close()

    def _stay_alive(self, now: float) -> None:
        if not self.connected:
            if now - self._said_at > CONNACK_S:
                raise OSError("no answer to CONNECT")
        elif self._asked_at is None:
            if now - min(self._heard_at, self._said_at) >= ALIVE_S:
                self._out += mqtt.PINGREQ
                self._asked_at = now
        elif now - self._asked_at > ALIVE_S:
            raise OSError(f"the broker said nothing for {ALIVE_S:.0f} s")

    def _until(self) -> float:
        """When this thread has something to do without anybody's word."""
        if self._has_more:
            return 0.0
        if not self.connected:
            return self._said_at + CONNACK_S
        if self._asked_at is not None:
            alive = self._asked_at + ALIVE_S
        else:
            alive = min(self._heard_at, self._said_at) + ALIVE_S
        due = self._user.due_at()
        return alive if due is None else min(alive, due)

    def _write(self) -> None:
        self._has_more = False
        for _ in range(TURN_FRAMES):
            if not self._write_out():
                return
            if self.connected:
                self._out = self._user.frames()
            if not self._out:
                return
        self._has_more = True  # reads meanwhile

    def _write_out(self) -> bool:
        """Whether all was written."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except OSError as error:
                if _would_block(error):
                    return False
                raise
            self._said_at = time.monotonic()
            self._out = self._out[sent:]
        return True

    def _wait(self) -> None:
        assert self._wakers is not None
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        wanted = select.POLLIN if len(self._out) < OUT_MAX_BYTES else 0
        poll.register(self._socket, wanted | (select.POLLOUT if self._out else 0))
        for handle, events in poll.poll(max(0.0, self._until() - time.monotonic()) * 1000 + 1):
            if handle == self._wakers[0]:
                self._clear_waker()
            elif events & ~select.POLLOUT:
                self._read()

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except OSError as error:
                if _would_block(error):
                    return
                raise
            if not data:
                raise OSError("the broker ended it")
            self._heard_at = time.monotonic()
            self._asked_at = None
            for packet in self._decoder.feed(data):
                self._take(packet)
            # What TLS holds decrypted already no poll tells of.
            if not getattr(self._socket, "pending", int)():
                return

    def _take(self, packet: mqtt.Packet) -> None:
        if not self.connected:
            if not isinstance(packet, mqtt.Connack):
                raise mqtt.MqttError("something came before CONNACK")
            self._welcome(packet.code)
        elif isinstance(packet, mqtt.Connack):
            raise mqtt.MqttError("a second CONNACK")
        else:
            self._user.received(packet)
            if isinstance(packet, mqtt.Publish) and packet.qos:
                self._out += mqtt.puback(packet.packet_id)

    def _welcome(self, code: int) -> None:
        if code:
            why = REFUSALS.get(code, "unknown reason")
            warn_once(f"link-refused {code}", f"the broker refuses this module: {why} ({code})")
            raise OSError(f"refused ({code})")
        with self._lock:
            self.connected = True
            self._failures = 0
            self._user.opened()


def backoff_s(failures: int, most_s: float) -> float:
    return min(most_s, BACKOFF_S * 2.0 ** min(failures, 20))


def _would_block(error: OSError) -> bool:
    # ssl.SSLWantReadError and SSLWantWriteError, without ssl
    return isinstance(error, (BlockingIOError, InterruptedError)) or type(error).__name__ in (
        "SSLWantReadError",
        "SSLWantWriteError",
    )
