"""What must hold of the fleet's memory, whatever is cut off or killed. Run here: python3 -m unittest"""

import os
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python", "src")]
ROOM = tempfile.TemporaryDirectory()
os.environ["MARK_STATE_DIR"] = ROOM.name
os.environ.pop("MARK_HALT_FILE", None)

# The modules look at the environment when they are loaded.
import books, durable, exchange, logbook, mark_sdk, paper, teea, verify  # noqa: E401, E402

paper.log = lambda level, message: None


class Killed(BaseException):
    """Stands for kill -9 in the middle of a call."""


class Still:
    """A market in which nothing happens."""

    def price_cents(self, seconds):
        return 2_000_001


class Room(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        for name in ("exchange", "teea"):
            os.mkdir(os.path.join(room.name, name))
        self.room = room.name
        self.ledger = os.path.join(room.name, "exchange", "ledger.jsonl")
        self.kept = None

    def exchange(self):
        return exchange.Exchange(self.ledger, Still())

    def teea(self, ask):
        """TEEA in a new life: what it kept of the one before is all it has."""
        if self.kept is not None:
            self.kept.close()
        self.kept = mark_sdk.PersistentMap("books", dir=os.path.join(self.room, "teea"))
        self.addCleanup(self.kept.close)
        trader = teea.Teea(books.Books(self.kept), ask)
        trader.settle()
        return trader


def request(id):
    return mark_sdk.Request(id, "order", "nana", None, 0)


BUY = {"side": "buy", "sats": 1000}


class Ledger(Room):
    def test_the_same_id_is_filled_once_and_answered_alike_even_after_a_restart(self):
        first = self.exchange().order("a", "buy", 1000)
        again = self.exchange()
        self.assertEqual(again.order("a", "buy", 1000), first)
        self.assertEqual(len(again.fills(0)), 1)

    def test_a_cancelled_id_is_never_filled(self):
        market = self.exchange()
        market.answer({"op": "cancel", "client_order_id": "late"})
        self.assertEqual(market.order("late", "buy", 1000)["status"], "rejected")

    def test_a_torn_last_line_never_happened_and_the_next_order_follows_cleanly(self):
        self.exchange().order("a", "buy", 1000)
        whole = Path(self.ledger).read_bytes()
        self.exchange().order("b", "sell", 1000)
        torn = Path(self.ledger).read_bytes()
        for length in range(len(whole), len(torn)):
            Path(self.ledger).write_bytes(torn[:length])
            market = self.exchange()
            self.assertEqual(market.order("c", "buy", 1000)["status"], "filled")
            self.assertEqual([fill["client_order_id"] for fill in self.exchange().fills(0)], ["a", "c"])


class Execution(Room):
    def test_killed_before_or_after_the_exchange_heard_it_the_books_agree(self):
        for heard in (False, True):
            market = self.exchange()

            def ask(question):
                if question["op"] != "order":
                    return market.answer(question)
                if heard:
                    market.answer(question)
                raise Killed

            self.assertRaises(Killed, self.teea(ask).order, BUY, request(f"order {heard}"))
            self.assertTrue(verify.verify(self.room, settled=False)["ok"])
            trader = self.teea(self.exchange().answer)
            if heard:
                self.assertEqual(trader.recover(f"order {heard}", BUY), f"order {heard}")
            else:
                self.assertRaises(mark_sdk.Refuse, trader.recover, f"order {heard}", BUY)
            self.assertEqual(verify.verify(self.room, settled=True)["reason"], "")
        self.assertEqual(verify.verify(self.room, settled=True)["fills"], 1)

    def test_two_requests_for_an_order_of_one_name_are_one_order(self):
        trader = self.teea(self.exchange().answer)
        named = {**BUY, "id": "asky-run"}
        self.assertEqual(trader.order(named, request("first")), "asky-run")
        trader.order(BUY, request("another"))
        self.assertEqual(trader.order({**named, "sats": 9}, request("second")), "asky-run")
        self.assertEqual(self.teea(self.exchange().answer).recover("third", named), "asky-run")
        result = verify.verify(self.room, settled=True)
        self.assertEqual((result["reason"], result["fills"]), ("", 2))

    def test_an_answer_that_is_lost_stops_trading_until_it_is_settled(self):
        market = self.exchange()
        trader = self.teea(market.answer)

        def lost(question):
            if question["op"] == "order":
                market.answer(question)
                raise ConnectionError("lost")
            return market.answer(question)

        trader.ask = lost
        self.assertRaises(ConnectionError, trader.order, BUY, request("a"))
        self.assertRaises(mark_sdk.Refuse, trader.order, BUY, request("b"))
        trader.settle()
        self.assertEqual(trader.books.account["fills"], 1)
        self.assertEqual(verify.verify(self.room, settled=True)["reason"], "")

    def test_books_that_disagree_are_refused_and_the_checker_sees_it(self):
        trader = self.teea(self.exchange().answer)
        wrong = {**trader.books.account, "cash_cents": trader.books.account["cash_cents"] + 1}
        self.kept.set("account", wrong, durable=True)
        self.assertFalse(verify.verify(self.room, settled=False)["ok"])
        self.assertRaises(durable.Corrupt, self.teea, self.exchange().answer)

    def test_books_that_are_gone_are_not_begun_anew(self):
        self.teea(self.exchange().answer)
        self.kept.close()
        os.unlink(os.path.join(self.room, "teea", "books.db"))
        self.assertRaises(mark_sdk.StateLost, self.teea, self.exchange().answer)
        self.assertFalse(verify.verify(self.room, settled=False)["ok"])


class Halt(Room):
    def test_any_order_in_the_halt_file_stops_new_trades(self):
        trader = self.teea(self.exchange().answer)
        halt = Path(self.room, "teea", "halt")
        level = lambda: halt.read_text() if halt.exists() else None
        with unittest.mock.patch.object(mark_sdk, "halt_level", level):
            for order in ("pause", "halt", "flatten"):
                halt.write_text(order)
                self.assertRaises(mark_sdk.Refuse, trader.order, BUY, request(order))
            halt.unlink()
            self.assertEqual(trader.order(BUY, request("a")), "a")


class LineNumbers(Room):
    def test_they_go_on_after_the_last_line_in_the_log(self):
        log, note = os.path.join(self.room, "m.log"), os.path.join(self.room, "seq")
        line = b"2023-03-11T07:50:00.000Z INFO m seq=%d hello\n"
        for tail, following in ((b"", 8), (b"Traceback\n", 8), (b"2023-03-11T07:5", 8), (line[:-3] % 8, 9)):
            Path(log).write_bytes(line % 6 + line % 7 + tail)
            self.assertEqual(logbook.Logbook("m", log, note).next, following)


if __name__ == "__main__":
    unittest.main()
