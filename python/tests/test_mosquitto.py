"""The link beside a broker that others wrote: Debian's mosquitto, over a unix socket, TCP and TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import unittest
from typing import Any, List
from unittest import mock

from mark_sdk import Link, PersistentMap
from mark_sdk.envelope import DATA_MAX_BYTES

from .fake_mark import until
from .linked import Linked

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@unittest.skipUnless(
    MOSQUITTO and shutil.which("mosquitto_passwd") and shutil.which("openssl"),
    "SKIPPED: no mosquitto here (apt-get install mosquitto): the link was not tried with a stranger's broker",
)
class Mosquitto(Linked):
    def setUp(self) -> None:
        super().setUp()
        self.tcp, self.tls = free_port(), free_port()
        passwords, self.key, self.cert = (str(self.root / name) for name in ("users", "key.pem", "cert.pem"))
        for i, name in enumerate(("vida", "dani", "teea")):
            more = ["-c"] if i == 0 else []
            self.run_tool("mosquitto_passwd", *more, "-b", passwords, name, "right")
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.cert]
        self.run_tool("openssl", "req", "-x509", "-days", "2", *key, *subject)
        self.config = self.root / "mosquitto.conf"
        self.config.write_text(
            f"user root\nmax_queued_messages 0\nallow_anonymous false\npassword_file {passwords}\n"
            f"listener 0 {self.path}\nlistener {self.tcp} 127.0.0.1\n"
            f"listener {self.tls} 127.0.0.1\ncertfile {self.cert}\nkeyfile {self.key}\n"
        )
        self.start()

    @staticmethod
    def run_tool(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True)

    def start(self) -> None:
        if os.path.lexists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(self._end, self.process)

    def of(self, name: str, url: str = "") -> Link:
        link = Link(url or f"unix:{self.path}", name, "right")
        self.addCleanup(link.close, 0)
        link.start()
        return link

    def settled(self, *links: Link) -> None:
        until(lambda: all(link.connected for link in links))
        until(lambda: not any(link._session._new_filters or link._session._subscribing for link in links))

    def test_messages_of_all_sizes_pass_in_order_over_unix_tcp_and_tls(self) -> None:
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": self.cert}):
            links = [
                self.of("vida"),
                self.of("dani", f"mqtt://127.0.0.1:{self.tcp}"),
                self.of("teea", f"mqtts://localhost:{self.tls}"),
            ]
            self.settled(*links)
        heard = [self.hears(link, "t/#") for link in links]
        self.settled(*links)
        sizes = [0, 1, 100, 120, 130, 16_000, 17_000, 70_000, DATA_MAX_BYTES - 2]
        for link in links:
            for size in sizes:
                link.publish(f"t/{link._username}", "x" * size, qos=size % 2)
        until(lambda: all(len(each) == 3 * len(sizes) for each in heard), seen=[len(each) for each in heard])
        for each in heard:
            for link in links:
                own = [len(data) for topic, data in each if topic == f"t/{link._username}"]
                self.assertEqual(own, sizes)

    def test_a_certificate_that_nobody_vouches_for_is_not_believed(self) -> None:
        link = self.of("vida", f"mqtts://localhost:{self.tls}")
        link.publish("a", 1)
        until(lambda: link._client is not None and link._client._failures > 2)
        self.assertFalse(link.connected)

    def test_a_flood_passes_whole(self) -> None:
        vida, dani = self.of("vida"), self.of("dani")
        heard = self.hears(dani, "flood")
        self.settled(vida, dani)
        for i in range(20_000):
            vida.publish("flood", i)
        until(lambda: len(heard) + vida.dropped + dani.dropped >= 20_000, 30)
        self.assertEqual(([data for _, data in heard], vida.dropped), (list(range(20_000)), 0))

    def test_killed_and_back_nobody_hears_twice_and_what_is_retained_is_there_again(self) -> None:
        vida, dani = self.of("vida"), self.of("dani")
        heard = self.hears(dani, "ticks/#")
        self.settled(vida, dani)
        vida.publish("ticks/last", "kept", retain=True)
        for life in range(3):
            for i in range(200):
                vida.publish("ticks/btc", (life, i))
                if i == 100:
                    until(lambda: heard)
                    self.process.kill()
                    self.process.wait()
                    self.start()
            until(lambda: vida.connected and dani.connected and vida._session.is_settled)
            self.settled(vida, dani)
            vida.publish("ticks/btc", (life, "end"))
            until(lambda: heard[-1][1] == [life, "end"], seen=heard[-2:])
        # This broker waits for nobody, so some may be lost; none comes twice or out of order.
        seen = [data for topic, data in heard if topic == "ticks/btc" and data[1] != "end"]
        self.assertEqual(seen, sorted([life, i] for life, i in {tuple(data) for data in seen}))
        later = self.hears(self.of("teea"), "ticks/last")
        until(lambda: later)
        self.assertEqual(later, [("ticks/last", "kept")])

    def test_orders_survive_its_kill_and_are_executed_once(self) -> None:
        teea, dani = self.of("teea"), self.of("dani")
        ledger = PersistentMap("orders", dir=self.state)
        self.addCleanup(ledger.close)
        executed: List[Any] = []
        teea.serve("order", lambda data: (executed.append(data), data * 2)[1], ledger=ledger)
        self.settled(teea, dani)
        results: List[Any] = []

        def ask() -> None:
            for i in range(40):
                results.append(dani.request("teea", "order", i, timeout=30))

        asking = threading.Thread(target=ask)
        asking.start()
        for count in (5, 15, 25):
            until(lambda count=count: len(results) >= count, 30)
            self.process.kill()
            self.process.wait()
            self.start()
        asking.join(60)
        self.assertEqual((results, executed), ([i * 2 for i in range(40)], list(range(40))))


if __name__ == "__main__":
    unittest.main()
