"""A link to a broker that comes, dies in the middle and comes back: messages and requests."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import threading
import time
import unittest
import unittest.mock
from typing import Any, Dict, List

from mark_sdk import Module, RequestRefused, RequestUnknown, mqtt_client, read_environment

from .fake_broker import FakeBroker, Peer
from .fake_mark import until
from .linked import Linked


class Waking(unittest.TestCase):
    def test_who_wakes_it_while_it_wakes_up_does_not_silence_the_next(self) -> None:
        nobody: Any = None
        client = mqtt_client.Client(mqtt_client.Address("/nowhere"), "a", None, None, nobody, nobody)
        client.connected, client._wakers = True, list(os.pipe2(os.O_NONBLOCK))
        client.wake()
        read = os.read

        def woken_meanwhile(handle: int, size: int) -> bytes:
            client.wake()
            return read(handle, size)

        with unittest.mock.patch.object(mqtt_client.os, "read", woken_meanwhile):
            client._clear_waker()
        client.wake()
        self.assertTrue(select.select([client._wakers[0]], [], [], 0)[0], "nobody would hear of it")
        client._close_wakers()


class Messages(Linked):
    def test_what_is_published_is_heard_in_order_by_those_who_subscribed(self) -> None:
        self.broker()
        vida, dani = self.link("vida"), self.link("dani")
        heard = self.hears(dani, "ticks/+")
        until(lambda: dani.connected and vida.connected)
        until(lambda: dani._session.is_settled and not dani._session._subscribing)
        for i in range(200):
            vida.publish("ticks/btc", {"i": i})
            vida.publish("other", i)
        until(lambda: len(heard) == 200, seen=heard)
        self.assertEqual(heard, [("ticks/btc", {"i": i}) for i in range(200)])

    def test_what_is_published_before_there_is_a_broker_reaches_it(self) -> None:
        vida = self.link()
        for i in range(20):
            vida.publish("a", i)
        broker = self.broker()
        until(lambda: len(broker.data("a")) == 20)
        self.assertEqual((broker.data("a"), vida.dropped), (list(range(20)), 0))

    def test_a_broker_that_is_killed_in_the_middle_loses_nothing_and_nobody_hears_twice(self) -> None:
        broker = self.broker()
        vida, dani = self.link("vida"), self.link("dani")
        heard = self.hears(dani, "ticks/btc")
        until(lambda: dani._session.is_settled and dani.connected)
        for life in range(4):
            for i in range(100):
                vida.publish("ticks/btc", life * 100 + i)
                if i == 50:
                    until(lambda: heard, seen=life)
                    broker.close()
                    broker = self.broker(settled=lambda broker: broker.listens("dani", "ticks/btc"))
            until(lambda: heard[-1][1] == life * 100 + 99, 10, heard[-3:])
        self.assertEqual([data for _, data in heard], list(range(400)))
        self.assertEqual(vida.dropped, 0)

    def test_after_a_reconnection_retained_messages_come_first_and_numbers_stay(self) -> None:
        broker = self.broker()
        vida = self.link()
        vida.publish("config", "old", retain=True)
        vida.publish("config", "new", retain=True)
        until(lambda: len(broker.said) == 2)
        # As if ten seconds had passed: the window forgot them.
        with vida._lock:
            vida._session.window.trim(time.monotonic() + 11)
        vida.publish("ticks", 1)
        until(lambda: len(broker.said) == 3)
        before = list(broker.said)
        broker.close()
        vida.publish("ticks", 2)
        again = self.broker()
        until(lambda: len(again.said) == 3)
        self.assertEqual(again.said[:2], before[1:])
        self.assertEqual(json.loads(again.said[2][1])["seq"], 2)
        self.assertEqual(list(again.retained), ["config"])

    def test_a_subscriber_that_comes_later_gets_what_is_retained_and_each_only_once(self) -> None:
        self.broker()
        vida, dani = self.link("vida"), self.link("dani")
        vida.publish("config/x", 1, retain=True)
        until(lambda: vida._session.is_settled and vida.connected)
        wide = self.hears(dani, "config/#")
        until(lambda: wide)
        narrow = self.hears(dani, "config/x")
        until(lambda: narrow)
        vida.publish("config/x", 2, retain=True)
        until(lambda: len(wide) == 2 and len(narrow) == 2)
        self.assertEqual((wide, narrow), ([("config/x", 1), ("config/x", 2)],) * 2)

    def test_a_subscription_ends_and_another_to_the_same_goes_on(self) -> None:
        broker, dani = self.broker(), self.link("dani")
        first, second = [], []
        ends = [dani.subscribe("a", heard.append) for heard in (first, second)]
        until(lambda: broker.listens("dani", "a"))
        dani.publish("a", 1)
        until(lambda: first and second)
        ends[0]()
        dani.publish("a", 2)
        until(lambda: len(second) == 2)
        ends[1]()
        until(lambda: not broker.listens("dani", "a"))
        dani.publish("a", 3)
        until(lambda: dani._session.is_settled)
        self.assertEqual((first, second), ([1], [1, 2]))

    def test_what_stock_clients_say_is_handed_on_as_it_is(self) -> None:
        broker = self.broker()
        heard = self.hears(self.link("dani"), "a/#")
        until(lambda: broker.listens("dani", "a/#"))
        for payload in (b"17", b"text", b'{"a":1}', b"\xff", b""):
            broker.publish("a/b", payload)
        until(lambda: len(heard) == 5)
        self.assertEqual([data for _, data in heard], [17, "text", {"a": 1}, "\ufffd", ""])

    def test_while_the_broker_is_away_no_call_waits_and_the_oldest_is_dropped(self) -> None:
        vida = self.link()
        for i in range(1500):
            vida.publish("a", i)
        self.assertEqual(vida.dropped, 500)
        broker = self.broker()
        until(lambda: len(broker.data("a")) == 1000)
        self.assertEqual(broker.data("a"), list(range(500, 1500)))

    def test_a_wrong_password_is_tried_again_and_nothing_gets_through(self) -> None:
        broker = self.broker(passwords={"vida": "other"})
        vida = self.link()
        with self.assertLogs("mark_sdk", "WARNING") as logs:
            logging.getLogger("mark_sdk").setLevel(logging.WARNING)
            vida.publish("a", 1)
            until(lambda: broker.refused > 2)
        self.assertIn("user name or password", logs.output[0])
        self.assertNotIn("right", "".join(logs.output))
        self.assertEqual((vida.connected, broker.said), (False, []))
        broker.passwords = {"vida": "right"}
        until(lambda: broker.data("a") == [1])

    def test_a_filter_that_the_broker_refuses_is_told_once_and_the_rest_goes_on(self) -> None:
        self.broker(refused_filters=("secret/#",))
        dani = self.link("dani")
        logging.getLogger("mark_sdk").setLevel(logging.WARNING)
        with self.assertLogs("mark_sdk", "WARNING") as logs:
            heard = self.hears(dani, "secret/#")
            also = self.hears(dani, "a")
            until(lambda: logs.output)
            dani.publish("a", 1)
            until(lambda: also)
        self.assertIn("secret/#", logs.output[0])
        self.assertEqual(heard, [])

    def test_garbage_from_the_broker_ends_the_connection_and_no_more(self) -> None:
        broker = self.broker()
        vida = self.link()
        for garbage in (
            b"\x00\x00",
            b"\x30\xff\xff\xff\xff\x01",
            b"\x20\x02\x00\x00",
            b"\x36\x05\x00\x01abc",
        ):
            until(lambda: vida.connected)
            peer = until(lambda: broker.peer("vida"))
            peer.sock.sendall(garbage)
            until(lambda: peer not in broker.peers)
        vida.publish("a", 1)
        until(lambda: broker.data("a") == [1])

    def test_a_subscriber_that_raises_or_is_slow_holds_nobody_up(self) -> None:
        self.broker()
        dani = self.link("dani")
        held, entered = threading.Event(), threading.Event()

        def slow(data: Any) -> None:
            entered.set()
            held.wait(10)
            raise ValueError("as usual")

        dani.subscribe("a", slow)
        heard = self.hears(dani, "b")
        until(lambda: dani._session.is_settled and dani.connected)
        dani.publish("a", 1)
        self.assertTrue(entered.wait(10))
        dani.publish("b", 2)
        until(lambda: dani._session.is_settled)
        held.set()
        until(lambda: heard == [("b", 2)])

    def test_in_asyncio_functions_and_coroutines_run_in_the_loop_in_order(self) -> None:
        self.broker()
        vida = self.link("vida")
        heard: List[Any] = []

        async def main() -> None:
            done = asyncio.Event()

            async def on_tick(data: Any) -> None:
                await asyncio.sleep(0)
                heard.append((data, asyncio.get_running_loop() is loop))
                if len(heard) == 100:
                    done.set()

            loop = asyncio.get_running_loop()
            vida.subscribe("ticks", on_tick)
            while not vida.connected or vida._session._new_filters:
                await asyncio.sleep(0.005)
            for i in range(100):
                vida.publish("ticks", i)
            await asyncio.wait_for(done.wait(), 10)

        asyncio.run(main())
        self.assertEqual(heard, [(i, True) for i in range(100)])

    def test_presence_is_what_the_broker_says(self) -> None:
        broker = self.broker()
        vida = self.link()
        broker.publish("mark/presence/dani", b'{"state":"here","at":1}', retain=True)
        until(lambda: vida.presence == {"dani": "here"})
        broker.publish("mark/presence/dani", b'{"state":"gone","at":2}', retain=True)
        broker.publish("mark/presence/x", b"garbage")
        until(lambda: vida.presence == {"dani": "gone"})

    def test_what_can_never_be_sent_raises_at_once(self) -> None:
        vida = self.link()
        for topic, data, error in (
            ("a/#", 1, ValueError),
            ("", 1, ValueError),
            ("a", object(), TypeError),
            ("a", float("nan"), ValueError),
            ("a", "x" * 200_000, ValueError),
        ):
            with self.assertRaises(error):
                vida.publish(topic, data)
        with self.assertRaises(ValueError):
            vida.publish("a", 1, qos=2)
        with self.assertRaises(ValueError):
            vida.subscribe("a/#/b", print)

    def test_a_program_that_publishes_and_ends_was_heard(self) -> None:
        broker = self.broker()
        code = "import mark_sdk as mark; [mark.link().publish('a', i) for i in range(500)]"
        ended = self.run_program(code, env=self.access())
        self.assertEqual((ended.returncode, ended.stderr), (0, b""))
        self.assertEqual(broker.data("a"), list(range(500)))

    def test_a_forked_child_has_a_connection_and_an_epoch_of_its_own(self) -> None:
        broker = self.broker()
        code = """
import os, mark_sdk as mark
link = mark.link()
heard = []
link.subscribe("a", heard.append)
link.publish("a", "parent")
while not heard: pass
child = os.fork()
if child == 0:
    link.publish("a", "child")
    link.close(5)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
link.publish("a", "parent again")
while len(heard) < 3: pass
print(heard)
"""
        ended = self.run_program(code, env=self.access())
        self.assertEqual((ended.stdout, ended.stderr), (b"['parent', 'child', 'parent again']\n", b""))
        epochs = [json.loads(payload)["epoch"] for _, payload in broker.said]
        self.assertEqual((epochs[0], len(set(epochs))), (epochs[2], 2))

    def access(self) -> Dict[str, str]:
        return {
            "MARK_LINK_URL": f"unix:{self.path}",
            "MARK_LINK_USERNAME": "teea",
            "MARK_LINK_PASSWORD": "secret",
        }

    def test_a_module_has_one_link_and_its_password_is_not_shown(self) -> None:
        broker = self.broker()
        module = Module(read_environment(self.marks(**self.access())))
        self.addCleanup(module._line.end)
        self.addCleanup(module.link().close, 0)
        self.assertIs(module.link(), module.link())
        peer = until(lambda: broker.peer("teea"))
        self.assertEqual(peer.password, "secret")
        self.assertNotIn("secret", repr(module.environment))

    def test_in_a_fleet_without_a_link_nothing_happens(self) -> None:
        for url in (None, "nonsense"):
            env = {} if url is None else {"MARK_LINK_URL": url}
            link = Module(read_environment(env)).link()
            link.publish("a", 1)
            link.subscribe("a", print)
            with self.assertRaises(RequestRefused):
                link.request("teea", "order", 1)
            self.assertEqual((link.connected, link.presence, link.dropped), (False, {}, 0))


class Requests(Linked):
    def answers(self, broker: FakeBroker, times: int = 1) -> List[Dict[str, Any]]:
        """teea, without the SDK: answers a request when it has seen it `times` times."""
        seen: List[Dict[str, Any]] = []

        def may_publish(peer: Peer, topic: str, payload: bytes) -> bool:
            if topic == "request/teea/order/dani":
                said = json.loads(payload)
                seen.append(said)
                if len(seen) == times:
                    reply = {"v": 1, "id": said["id"], "ok": True, "value": said["data"] * 2}
                    broker.publish("reply/dani/teea", json.dumps(reply).encode())
            return True

        broker.may_publish = may_publish
        return seen

    def test_a_request_brings_the_value(self) -> None:
        seen = self.answers(self.broker())
        before = time.time() * 1000
        self.assertEqual(self.link("dani").request("teea", "order", 21), 42)
        self.assertEqual(seen[0]["expires"] - seen[0]["ts"], 10_000)
        self.assertGreaterEqual(seen[0]["ts"], int(before))

    def test_a_request_is_said_again_under_the_same_id_until_it_is_answered(self) -> None:
        seen = self.answers(self.broker(), times=2)
        self.assertEqual(self.link("dani").request("teea", "order", 1), 2)
        self.assertEqual(seen[0], seen[1])

    def test_a_request_survives_a_broker_that_is_killed(self) -> None:
        broker, dani = self.broker(), self.link("dani")
        first: List[Any] = []

        def die(peer: Peer, topic: str, payload: bytes) -> bool:
            first.append(json.loads(payload))
            threading.Thread(target=broker.close).start()
            return False

        broker.may_publish = die
        result: List[Any] = []
        asking = threading.Thread(target=lambda: result.append(dani.request("teea", "order", 4)))
        asking.start()
        until(lambda: first and not os.path.exists(self.path))
        seen = self.answers(self.broker())
        asking.join(10)
        self.assertEqual((result, seen[0]["id"]), ([8], first[0]["id"]))

    def test_a_request_that_nobody_answers_ends_as_unknown(self) -> None:
        self.broker()
        with self.assertRaises(RequestUnknown) as caught:
            self.link("dani").request("teea", "order", 1, timeout=0.3)
        self.assertEqual(len(caught.exception.id), 26)

    def test_a_request_that_never_left_ends_as_refused(self) -> None:
        with self.assertRaises(RequestRefused) as caught:
            self.link("dani").request("teea", "order", 1, timeout=0.2)
        self.assertEqual(caught.exception.code, "unsent")

    def test_the_reply_of_another_module_is_ignored(self) -> None:
        broker = self.broker()

        def may_publish(peer: Peer, topic: str, payload: bytes) -> bool:
            reply = {"v": 1, "id": json.loads(payload)["id"], "ok": True, "value": 1}
            broker.publish("reply/dani/vida", json.dumps(reply).encode())
            return True

        broker.may_publish = may_publish
        with self.assertRaises(RequestUnknown):
            self.link("dani").request("teea", "order", 1, timeout=0.5)

    def test_asyncio_goes_on_while_a_hundred_requests_wait(self) -> None:
        broker, dani = self.broker(), self.link("dani")

        def may_publish(peer: Peer, topic: str, payload: bytes) -> bool:
            said = json.loads(payload)
            reply = {"v": 1, "id": said["id"], "ok": True, "value": said["data"]}
            broker.publish("reply/dani/teea", json.dumps(reply).encode())
            return True

        broker.may_publish = may_publish

        async def main() -> List[Any]:
            return await asyncio.gather(*(dani.arequest("teea", "order", i) for i in range(100)))

        self.assertEqual(asyncio.run(main()), list(range(100)))

    def test_asyncio_ends_as_threads_do(self) -> None:
        dani = self.link("dani")
        with self.assertRaises(RequestRefused):
            asyncio.run(dani.arequest("teea", "order", 1, timeout=0.1))
        self.broker()
        until(lambda: dani.connected)
        with self.assertRaises(RequestUnknown):
            asyncio.run(dani.arequest("teea", "order", 1, timeout=0.3))
        self.assertEqual(dani._session.requests._waiting, {})

    def test_names_with_slashes_and_times_beyond_a_day_are_mistakes(self) -> None:
        dani = self.link("dani")
        for to, name, timeout in (("a/b", "c", 1), ("a", "+", 1), ("a", "b", 0), ("a", "b", 90_000)):
            with self.assertRaises(ValueError):
                dani.request(to, name, 1, timeout=timeout)


if __name__ == "__main__":
    unittest.main()
