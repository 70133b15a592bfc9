"""A module's connection to the other modules of its fleet (docs/link.md).

    link = mark.link()
    link.publish("ticks/btc", {"bid": 64250.5})
    link.subscribe("ticks/#", lambda data, topic: ...)
    filled = link.request("teea", "order", {"qty": 1})
    link.serve("order", place, ledger=PersistentMap("orders"))

No call but `request` waits, and none raises because the broker is away; in a fleet without a link each does
nothing. Safe for threads; a forked child begins afresh, with a connection of its own.
"""

from __future__ import annotations

import _thread
import atexit
import math
import os
import time
import weakref
from typing import Any, Callable, Dict, List, Optional

from .caller import Caller
from .callbacks import running_loop
from .envelope import Seen, data_text, read_envelope, ulid, write_envelope
from .link_session import LinkSession, Take
from .mailbox import Mailbox
from .mqtt_address import parse_address
from .mqtt_client import Client
from .persistent_map import PersistentMap
from .protocol import warn_once
from .request_error import RequestRefused
from .requesting import Asked, Outcome, Value, write_request
from .safe_point import forget_lock, make_lock
from .serving import Serving
from .topics import check_filter, check_level, check_topic
from .window import Kept

TOPICS_MAX = 100_000
TIMEOUT_MAX_S = 86_400  # a ledger remembers no longer
END_S = 1.5  # a broker that was started just now lets nothing pass for a second

End = Callable[[], None]


class Link:
    """`mark_sdk.link()` gives the module's own. `url`: unix:/path, mqtt://host:port, mqtts://host:port."""

    def __init__(
        self, url: Optional[str], username: Optional[str] = None, password: Optional[str] = None
    ) -> None:
        self._address = None if url is None else parse_address(url)
        self._username, self._password = username, password
        self._lock = make_lock()
        self._loop: Any = None
        self._clear()
        _links.add(self)

    def _clear(self) -> None:
        self._client: Optional[Client] = None
        self._session = LinkSession(self._lock, self._username)
        self._epoch = ulid()
        self._numbers: Dict[str, int] = {}
        self._services: List[Serving] = []
        self._mailbox = Mailbox("mark-link-calls")
        self._missed = 0
        self._is_closed = False

    # what it tells of itself

    @property
    def connected(self) -> bool:
        """Whether a broker is there at this moment. Nothing that a module needs to know."""
        return self._client is not None and self._client.connected

    @property
    def dropped(self) -> int:
        """Messages given up: published while the broker was away for too long, or received faster than the
        subscriber's function takes them."""
        with self._lock:
            self._session.window.trim(time.monotonic())
            return self._session.window.dropped + self._missed

    @property
    def presence(self) -> Dict[str, str]:
        """Which modules the broker saw: {name: "here" or "gone"}, as far as it said yet."""
        self.start()
        with self._lock:
            return dict(self._session.presence)

    # messages

    def publish(self, topic: str, data: Any, qos: int = 1, retain: bool = False) -> None:
        """`data`: JSON. Raises TypeError or ValueError for what can never be sent."""
        check_topic(topic)
        if qos not in (0, 1):
            raise ValueError(f"QoS {qos!r:.20} is none of 0 and 1")
        text = data_text(data)
        if self._address is None:
            return
        with self._lock:
            self._remember()
            number = self._numbers.get(topic, 0) + 1
            if number == 1 and len(self._numbers) >= TOPICS_MAX:
                self._epoch, self._numbers = ulid(), {}  # memory is bounded: a new epoch counts from 1
            payload = write_envelope(self._epoch, number, text)
            self._numbers[topic] = number
            self._session.window.add(Kept(topic, payload, int(qos), bool(retain), time.monotonic()))
            self._wake()

    def subscribe(self, filter: str, callback: Callable[..., Any]) -> End:
        """callback(data) or callback(data, topic), one message after the other: a coroutine function, and any
        function given while an event loop runs, in that loop, others in one thread of the link's own. What it
        returns ends it."""
        check_filter(filter)
        caller, seen = Caller(callback, self._latest_loop), Seen()

        def call(topic: str, payload: bytes) -> None:
            read = read_envelope(payload)
            if seen.is_new(topic, read):
                caller.call(read.data, topic)

        def take(topic: str, payload: bytes) -> None:
            dropped = self._mailbox.put(len(payload), lambda: call(topic, payload))
            if dropped:
                self._missed += dropped
                warn_once(
                    "link-slow", "a subscriber is slower than what it subscribed to: the oldest is lost"
                )

        return self._route(filter, take)

    # requests

    def request(self, to: str, name: str, data: Any, timeout: float = 10) -> Any:
        """The value that `to` replies. Raises RequestRefused: it was not executed; RequestUnknown: it may
        have been. Not for an event loop's thread: see `arequest`."""
        done = _thread.allocate_lock()  # a bare one: also a signal handler may ask and wait
        done.acquire()
        outcomes: List[Outcome] = []

        def ended(outcome: Outcome) -> None:
            outcomes.append(outcome)
            done.release()

        asked = self._ask(to, name, data, timeout, ended)
        try:
            done.acquire(timeout=timeout)
        finally:
            self._give_up(asked, timeout)
        return _value_of(outcomes[0])

    async def arequest(self, to: str, name: str, data: Any, timeout: float = 10) -> Any:
        """request() for asyncio: the loop goes on meanwhile."""
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def end(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        asked = self._ask(to, name, data, timeout, lambda outcome: _in_loop(loop, end, outcome))
        try:
            await asyncio.wait([future], timeout=timeout)
        finally:
            self._give_up(asked, timeout)
        return _value_of(await future)

    def serve(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        ledger: PersistentMap,
        recover: Optional[Callable[..., Any]] = None,
    ) -> None:
        """Executes each request `name` to this module once: handler(data) or handler(data, request) returns
        the value of the reply; raising Refuse says that nothing was done, anything else that nobody knows.
        recover(id, data) finds out, in the same way, how one ended that a crash interrupted. One after the
        other, where `subscribe` would call it."""
        check_level(name)
        if not isinstance(ledger, PersistentMap):
            raise TypeError(f"the ledger is a PersistentMap, not {type(ledger).__name__}")
        finder = None if recover is None else Caller(recover, self._latest_loop)
        service = Serving(name, Caller(handler, self._latest_loop), finder, ledger, self._reply)
        with self._lock:
            if any(each.name == name for each in self._services):
                raise ValueError(f"{name!r:.100} is served already")
            self._services.append(service)
        if self._username is not None:
            here = f"request/{self._username}/{name}/+"
            self._route(here, lambda topic, payload: service.take(topic.rpartition("/")[2], payload))

    # its life

    def start(self) -> None:
        """Connects, in the background; done by every other call too."""
        with self._lock:
            self._remember()
            self._start()

    def close(self, timeout: float = END_S) -> None:
        """Sends what waits, at most `timeout` seconds, not at all where the broker is away. At the end of the
        process it is called by itself."""
        client, until = self._client, time.monotonic() + timeout
        while client is not None and time.monotonic() < until:
            with self._lock:
                away = client.tried and not client.connected
                if away or self._session.is_settled and client.idle:
                    break
            time.sleep(0.002)
        with self._lock:
            self._is_closed = True
            for service in self._services:
                service.end()
            self._mailbox.end()
        if client is not None:
            client.end()

    # within: of any thread

    def _latest_loop(self) -> Any:
        return self._loop

    def _remember(self) -> None:
        self._loop = running_loop() or self._loop

    def _start(self) -> None:
        if self._address is None or self._is_closed:
            return
        if self._client is None:
            client_id = f"{self._username or 'module'}-{ulid()[-8:]}"
            self._client = Client(
                self._address, client_id, self._username, self._password, self._session, self._lock
            )
        self._client.start()

    def _wake(self) -> None:
        self._start()
        if self._client is not None:
            self._client.wake()

    def _route(self, filter: str, take: Take) -> End:
        session = self._session
        with self._lock:
            self._remember()
            session.route(filter, take)
            self._wake()

        def end() -> None:
            with self._lock:
                session.unroute(filter, take)
                self._wake()

        return end

    def _ask(self, to: str, name: str, data: Any, timeout: float, ended: Callable[[Outcome], None]) -> Asked:
        check_level(to)
        check_level(name)
        if not 0 < timeout <= TIMEOUT_MAX_S:
            raise ValueError(f"a timeout is more than 0 and at most {TIMEOUT_MAX_S} s, not {timeout!r:.20}")
        id, now = ulid(), time.time_ns() // 1_000_000
        topic = f"request/{to}/{name}/{self._username}"
        payload = write_request(id, now, now + math.ceil(timeout * 1000), data_text(data))
        if self._address is None or self._username is None or self._is_closed:
            raise RequestRefused("unsent", "this module has no link", id)
        asked = Asked(id, to, topic, payload, ended)
        with self._lock:
            self._remember()
            self._session.requests.add(asked)
            self._wake()
        return asked

    def _give_up(self, asked: Asked, timeout: float) -> None:
        with self._lock:
            self._session.requests.give_up(asked, f"within {timeout:g} s")

    def _reply(self, sender: str, reply: str) -> None:
        with self._lock:
            self._session.reply(sender, reply)
            self._wake()

    # forks

    def _after_fork_in_child(self) -> None:
        """Nothing of the parent's: no subscription, no service, no request, a new epoch."""
        if self._client is not None:
            self._client.leave_to_parent()
        forget_lock(self._lock)
        self._lock = make_lock()
        self._loop = None
        self._clear()


def _value_of(outcome: Outcome) -> Any:
    if isinstance(outcome, Value):
        return outcome.value
    raise outcome


def _in_loop(loop: Any, function: Callable[..., None], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # it is closed: nobody waits
        pass


_links: weakref.WeakSet[Link] = weakref.WeakSet()
_forking: List[Link] = []


def _before_fork() -> None:
    _forking[:] = list(_links)
    for each in _forking:
        each._lock.acquire()


def _after_fork_in_parent() -> None:
    for each in _forking:
        each._lock.release()
    _forking.clear()


def _after_fork_in_child() -> None:
    for each in _forking:
        each._after_fork_in_child()
    _forking.clear()


def _at_exit() -> None:
    for each in list(_links):
        each.close()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
atexit.register(_at_exit)
