"""Orders over the link: executed once, and what is told of each is true, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import unittest
from typing import Any, Callable, Dict, List, Optional
from unittest import mock

from mark_sdk import Link, PersistentMap, Refuse, Request, RequestRefused, RequestUnknown, StateWriteFailed
from mark_sdk.envelope import ulid

from .fake_broker import FakeBroker
from .fake_mark import until
from .linked import Linked


class Served(Linked):
    def setUp(self) -> None:
        super().setUp()
        self.broker_here = self.broker()
        self.replies: List[Dict[str, Any]] = []
        self.executed: List[Any] = []

    def ledger(self) -> PersistentMap:
        made = PersistentMap("orders", dir=self.state)
        self.addCleanup(made.close)
        return made

    def teea(
        self,
        handler: Optional[Callable[..., Any]] = None,
        ledger: Optional[PersistentMap] = None,
        recover: Optional[Callable[..., Any]] = None,
        broker: Optional[FakeBroker] = None,
    ) -> Link:
        link = self.link("teea")
        link.serve(
            "order",
            handler or self.place,
            ledger=self.ledger() if ledger is None else ledger,
            recover=recover,
        )
        until(lambda: (broker or self.broker_here).listens("teea", "request/teea/order/+"))
        return link

    def place(self, data: Any, request: Request) -> Any:
        self.executed.append((data, request.id, request.sender))
        return {"filled": data}

    def ask(self, data: Any, id: str, expires: float = 1e13, times: int = 1) -> List[Dict[str, Any]]:
        """As dani without the SDK would: says it `times` times, waits for as many replies."""
        said = json.dumps({"v": 1, "id": id, "ts": 1, "expires": expires, "data": data}).encode()
        before = len(self.told())
        for _ in range(times):
            self.broker_here.publish("request/teea/order/dani", said)
        until(lambda: len(self.told()) >= before + times, seen=self.told())
        return self.told()[before:]

    def told(self) -> List[Dict[str, Any]]:
        said = list(self.broker_here.said)
        return [json.loads(payload) for topic, payload in said if topic == "reply/dani/teea"]

    def test_a_request_is_executed_and_its_value_comes_back(self) -> None:
        self.teea()
        self.assertEqual(self.link("dani").request("teea", "order", {"qty": 1}), {"filled": {"qty": 1}})
        data, id, sender = self.executed[0]
        self.assertEqual((data, len(id), sender), ({"qty": 1}, 26, "dani"))

    def test_a_request_seen_again_gets_the_same_reply_and_is_not_executed_again(self) -> None:
        self.teea()
        id = ulid()
        first = self.ask(1, id)
        again = self.ask(1, id) + self.ask(2, id)
        self.assertEqual((len(self.executed), again), (1, first * 2))

    def test_it_gets_the_same_reply_from_the_next_life_too(self) -> None:
        ledger, id = self.ledger(), ulid()
        life = self.teea(ledger=ledger)
        first = self.ask(1, id)
        life.close(0)
        ledger.close()
        until(lambda: self.broker_here.peer("teea") is None)
        self.teea()
        self.assertEqual((self.ask(1, id), len(self.executed)), (first, 1))

    def test_one_that_is_under_way_is_waited_for(self) -> None:
        held, entered = threading.Event(), threading.Event()

        def slow(data: Any) -> Any:
            self.executed.append(data)
            entered.set()
            held.wait(10)
            return data

        teea, id = self.teea(slow), ulid()
        said = json.dumps({"v": 1, "id": id, "ts": 1, "expires": 1e13, "data": 1}).encode()
        self.broker_here.publish("request/teea/order/dani", said)
        self.assertTrue(entered.wait(10))
        for _ in range(3):
            self.broker_here.publish("request/teea/order/dani", said)
        heard = self.hears(teea, "after")
        until(lambda: self.broker_here.listens("teea", "after"))
        self.broker_here.publish("after", b"1")
        until(lambda: heard)
        held.set()
        until(lambda: self.told())
        self.ask(2, ulid())
        self.assertEqual((self.executed, len(self.told())), ([1, 2], 2))

    def test_what_has_expired_is_refused_unless_the_ledger_knows_it(self) -> None:
        self.teea()
        id = ulid()
        first = self.ask(1, id)
        self.assertEqual(self.ask(1, id, expires=1), first)
        late = self.ask(2, ulid(), expires=time.time() * 1000 - 1)
        self.assertEqual((late[0]["ok"], late[0]["error"]["code"]), (False, "expired"))
        self.assertEqual(len(self.executed), 1)

    def test_a_handler_that_refuses_says_so_and_one_that_raises_leaves_it_unknown(self) -> None:
        def handler(data: Any) -> Any:
            self.executed.append(data)
            if data == "refuse":
                raise Refuse("no_margin", "not enough")
            if data == "exit":
                raise SystemExit(1)
            if data == "large":
                return "x" * 200_001
            if data == "odd":
                return object()
            raise KeyError("venue")

        self.teea(handler)
        dani = self.link("dani")
        with self.assertRaises(RequestRefused) as refused:
            dani.request("teea", "order", "refuse")
        self.assertEqual((refused.exception.code, refused.exception.message), ("no_margin", "not enough"))
        for data in ("raise", "exit", "large", "odd"):
            with self.assertRaises(RequestUnknown, msg=data):
                dani.request("teea", "order", data)
        self.assertEqual(len(self.executed), 5)

    def test_a_crash_between_begun_and_done_is_unknown_and_never_executed_again(self) -> None:
        id = self.crash_amid_an_order()
        self.teea()
        replies = self.ask(7, id) + self.ask(7, id, expires=1)
        self.assertEqual([(each["ok"], each["error"]["code"]) for each in replies], [(False, "unknown")] * 2)
        self.assertEqual(self.executed, [])

    def test_after_a_crash_recover_finds_out_and_its_answer_is_kept(self) -> None:
        id, asked = self.crash_amid_an_order(), []

        def recover(id: str, data: Any) -> Any:
            asked.append((id, data))
            return {"filled": data}

        self.teea(recover=recover)
        replies = self.ask(7, id) + self.ask(7, id)
        self.assertEqual([each["value"] for each in replies], [{"filled": 7}] * 2)
        self.assertEqual((asked, self.executed), ([(id, 7)], []))

    def test_recover_may_find_that_nothing_was_done_or_fail(self) -> None:
        for recover, code in ((Refuse("not_placed"), "not_placed"), (OSError("down"), "unknown")):
            id, ledger = self.crash_amid_an_order(), self.ledger()

            def raises(id: str, data: Any, error: Exception = recover) -> Any:
                raise error

            life = self.teea(ledger=ledger, recover=raises)
            self.assertEqual(self.ask(7, id)[0]["error"]["code"], code)
            life.close(0)
            ledger.close()
            until(lambda: self.broker_here.peer("teea") is None)

    def crash_amid_an_order(self) -> str:
        """A real module that is killed while its handler runs."""
        code = """
import sys, time, mark_sdk as mark
def place(data):
    print("begun", flush=True)
    time.sleep(60)
mark.link().serve("order", place, ledger=mark.PersistentMap("orders"))
time.sleep(60)
"""
        more = {
            "MARK_LINK_URL": f"unix:{self.path}",
            "MARK_LINK_USERNAME": "teea",
            "MARK_LINK_PASSWORD": "",
        }
        process = self.program(code, env=more)
        until(lambda: self.broker_here.listens("teea", "request/teea/order/+"), 20)
        id = ulid()
        said = json.dumps({"v": 1, "id": id, "ts": 1, "expires": 1e13, "data": 7}).encode()
        self.broker_here.publish("request/teea/order/dani", said)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"begun\n")
        process.kill()
        process.wait()
        until(lambda: self.broker_here.peer("teea") is None)
        return id

    def test_an_order_that_cannot_be_written_down_is_refused_for_good(self) -> None:
        ledger = self.ledger()
        self.teea(ledger=ledger)
        real = ledger._file.write
        self.addCleanup(setattr, ledger._file, "write", real)

        def full(batch: Any) -> None:
            raise StateWriteFailed("no space")

        ledger._file.write = full  # type: ignore[method-assign]
        id = ulid()
        refused = self.ask(1, id)
        self.assertEqual(refused[0]["error"]["code"], "ledger")
        ledger._file.write = real  # type: ignore[method-assign]
        self.assertEqual((self.ask(1, id), self.executed), (refused, []))
        self.assertEqual(self.ask(2, ulid())[0]["value"], {"filled": 2})

    def test_an_order_that_the_disk_held_up_past_its_time_is_not_begun(self) -> None:
        ledger = self.ledger()
        expires = int(time.time() * 1000) + 300
        real = ledger._file.write

        def slow(batch: Any) -> None:
            until(lambda: time.time() * 1000 > expires)
            real(batch)

        ledger._file.write = slow  # type: ignore[method-assign]
        self.teea(ledger=ledger)
        reply = self.ask(1, ulid(), expires)[0]
        self.assertEqual((reply["error"]["code"], self.executed), ("expired", []))

    def test_an_order_refused_for_want_of_room_stays_refused_when_there_is_room_again(self) -> None:
        ledger, id = self.ledger(), ulid()
        self.teea(ledger=ledger)
        with mock.patch("mark_sdk.serving.ENTRIES_MAX", 0):
            refused = self.ask(1, id)
        self.assertEqual(refused[0]["error"]["code"], "busy")
        self.assertEqual((self.ask(1, id), self.executed), (refused, []))
        self.assertEqual(self.ask(2, ulid())[0]["value"], {"filled": 2})

    def test_begun_is_on_the_disk_before_the_handler_runs_and_the_reply_before_it_is_said(self) -> None:
        ledger, seen = self.ledger(), []
        id = ulid()

        def handler(data: Any) -> Any:
            seen.append((ledger[id], dict(ledger._pending)))
            return data

        real = ledger.set

        def noted(key: str, value: Any, *, durable: bool = False) -> None:
            real(key, value, durable=durable)
            seen.append((value["state"], durable, len(self.told())))

        ledger.set = noted  # type: ignore[method-assign]
        self.teea(handler, ledger)
        reply = self.ask(1, id)[0]
        self.assertEqual(
            seen,
            [("begun", True, 0), ({"state": "begun", "expires": 10**13}, {}), ("done", True, 0)],
        )
        self.assertEqual(ledger[id], {"state": "done", "expires": 10**13, "reply": reply})

    def test_an_order_survives_a_broker_that_is_killed_while_it_runs_and_is_executed_once(self) -> None:
        held, entered = threading.Event(), threading.Event()

        def slow(data: Any) -> Any:
            self.executed.append(data)
            entered.set()
            held.wait(10)
            return data * 2

        self.teea(slow)
        dani, result = self.link("dani"), []
        asking = threading.Thread(target=lambda: result.append(dani.request("teea", "order", 4)))
        asking.start()
        self.assertTrue(entered.wait(10))
        self.broker_here.close()
        held.set()
        self.broker_here = self.broker(settled=lambda broker: broker.listens("teea", "request/teea/order/+"))
        asking.join(10)
        self.assertEqual((result, self.executed), ([8], [4]))

    def test_requests_of_one_name_run_one_after_the_other_and_names_beside_each_other(self) -> None:
        held, entered = threading.Event(), threading.Event()
        link = self.teea(lambda data: (self.executed.append(data), entered.set(), held.wait(10))[0])
        other = PersistentMap("cancels", dir=self.state)
        self.addCleanup(other.close)
        link.serve("cancel", lambda data: data, ledger=other)
        until(lambda: self.broker_here.listens("teea", "request/teea/cancel/+"))
        dani = self.link("dani")
        threads = [threading.Thread(target=dani.request, args=("teea", "order", i)) for i in range(3)]
        for thread in threads:
            thread.start()
        self.assertTrue(entered.wait(10))
        self.assertEqual(dani.request("teea", "cancel", 1), 1)
        self.assertEqual(len(self.executed), 1)
        held.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual(sorted(self.executed), [0, 1, 2])

    def test_a_coroutine_serves_in_its_loop(self) -> None:
        async def main() -> Any:
            loop = asyncio.get_running_loop()

            async def handler(data: Any) -> Any:
                await asyncio.sleep(0)
                return [data, asyncio.get_running_loop() is loop]

            link = self.link("teea")
            link.serve("order", handler, ledger=self.ledger())
            return await self.link("dani").arequest("teea", "order", 3)

        self.assertEqual(asyncio.run(main()), [3, True])

    def test_what_is_no_request_is_not_answered(self) -> None:
        self.teea()
        for payload in (b"hello", b"{}", b'{"v":1,"id":"a","ts":1,"expires":1e999,"data":1}'):
            self.broker_here.publish("request/teea/order/dani", payload)
        self.ask(1, ulid())
        self.assertEqual((len(self.executed), len(self.told())), (1, 1))

    def test_a_name_is_served_once_and_with_a_ledger_that_lasts(self) -> None:
        link = self.teea()
        with self.assertRaises(ValueError):
            link.serve("order", print, ledger=self.ledger_named("second"))
        with self.assertRaises(TypeError):
            link.serve("cancel", print, ledger={})  # type: ignore[arg-type]

    def ledger_named(self, name: str) -> PersistentMap:
        made = PersistentMap(name, dir=self.state)
        self.addCleanup(made.close)
        return made


if __name__ == "__main__":
    unittest.main()
