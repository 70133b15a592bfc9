"""What must hold of the fleet's memory, whatever is cut off or killed. Run here: python3 -m unittest"""

import os
import sys
import tempfile
import unittest
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
ROOM = tempfile.TemporaryDirectory()
os.environ["MARK_STATE_DIR"] = ROOM.name
os.environ.pop("MARK_HALT_FILE", None)

# The modules look at the environment when they are loaded.
import durable, exchange, logbook, paper, teea, verify  # noqa: E401, E402

paper.log = lambda level, message: None


class Killed(BaseException):
    """Stands for kill -9 in the middle of a call."""


class Room(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        for name in ("exchange", "teea"):
            os.mkdir(os.path.join(room.name, name))
        self.room = room.name
        self.ledger = os.path.join(room.name, "exchange", "ledger.jsonl")
        self.state = os.path.join(room.name, "teea", "teea.json")

    def exchange(self):
        return exchange.Exchange(self.ledger, lambda seconds: 2_000_001)

    def teea(self, ask):
        trader = teea.Teea(self.state, ask)
        trader.settle()
        return trader


class StateFile(Room):
    def test_cut_at_any_length_the_previous_generation_is_used(self):
        durable.save(self.state, {"order": 1})
        durable.save(self.state, {"order": 2})
        whole = Path(self.state).read_bytes()
        for length in range(len(whole) - 1):  # without its newline alone it is still whole
            Path(self.state).write_bytes(whole[:length])
            self.assertEqual(durable.load(self.state), {"order": 1})

    def test_cut_at_any_length_without_a_previous_generation_it_refuses(self):
        durable.save(self.state, {"order": 1})
        whole = Path(self.state).read_bytes()
        cuts = [whole[:length] for length in range(len(whole) - 1)]
        for damaged in [whole.replace(b"1}", b"2}"), *cuts]:
            Path(self.state).write_bytes(damaged)
            self.assertRaises(durable.Corrupt, durable.load, self.state)

    def test_only_what_never_existed_begins_empty(self):
        self.assertIsNone(durable.load(self.state))
        durable.save(self.state, {"order": 1})
        os.unlink(self.state)
        self.assertRaises(durable.Corrupt, durable.load, self.state)


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

            self.assertRaises(Killed, self.teea(ask).order, "buy", 1000)
            self.assertTrue(verify.verify(self.room, settled=False)["ok"])
            self.teea(self.exchange().answer)
            self.assertTrue(verify.verify(self.room, settled=True)["ok"])
        self.assertEqual(verify.verify(self.room, settled=True)["fills"], 1)

    def test_a_state_one_generation_old_is_brought_up_to_date(self):
        trader = self.teea(self.exchange().answer)
        for side in ("buy", "sell", "buy"):
            self.assertEqual(trader.order(side, 1000)["verdict"], "EXECUTED")
        Path(self.state).write_bytes(b"")
        self.teea(self.exchange().answer)
        self.assertEqual(verify.verify(self.room, settled=True)["fills"], 3)
        self.assertTrue(verify.verify(self.room, settled=True)["ok"])

    def test_books_that_disagree_are_refused_and_the_checker_sees_it(self):
        trader = self.teea(self.exchange().answer)
        trader.state["cash_cents"] += 1
        durable.save(self.state, trader.state)
        self.assertFalse(verify.verify(self.room, settled=False)["ok"])
        self.assertRaises(durable.Corrupt, self.teea, self.exchange().answer)


class Halt(Room):
    def test_any_order_in_the_halt_file_stops_new_trades(self):
        trader = self.teea(self.exchange().answer)
        os.environ["MARK_HALT_FILE"] = halt = os.path.join(self.room, "teea", "halt")
        self.addCleanup(os.environ.pop, "MARK_HALT_FILE")
        for order in (b"pause", b"halt", b"flatten", b"", b"\xff"):
            Path(halt).write_bytes(order)
            self.assertEqual(trader.order("buy", 1000)["verdict"], "REJECTED")
        os.unlink(halt)
        self.assertEqual(trader.order("buy", 1000)["verdict"], "EXECUTED")


class LineNumbers(Room):
    def test_they_go_on_after_the_last_line_in_the_log(self):
        log, note = os.path.join(self.room, "m.log"), os.path.join(self.room, "seq")
        line = b"2023-03-11T07:50:00.000Z INFO m seq=%d hello\n"
        for tail, following in ((b"", 8), (b"Traceback\n", 8), (b"2023-03-11T07:5", 8), (line[:-3] % 8, 9)):
            Path(log).write_bytes(line % 6 + line % 7 + tail)
            self.assertEqual(logbook.Logbook("m", log, note).next, following)


if __name__ == "__main__":
    unittest.main()
