"""What the jobs of the fleet leave behind, whatever they are given. Run here: python3 -m unittest"""

import os
import sys
import tempfile
import unittest
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python", "src")]

import market, shelf, verify_books, verify_shelf  # noqa: E401, E402
from in_force import InForce  # noqa: E402
from jobs import asky_rebalance, cleanup, job, luka_ingest, roko_features  # noqa: E402

RECORDED = market.Market()
CANDLES = [RECORDED.candle(index) for index in range(700)]


class Room(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.room = room.name

    def shelf(self, kind):
        return shelf.Shelf(kind, os.path.join(self.room, "shelf"))

    def exchange(self, seconds):
        """One that has been open for so long, at one candle a second."""
        replay = market.Replay(RECORDED, 1)
        return lambda question: replay.history(question["since"], seconds)

    def files(self, kind):
        directory = Path(self.room, "shelf", kind)
        return {path.name: path.read_bytes() for path in directory.iterdir()}


class Shelves(Room):
    def test_a_file_that_is_not_what_its_name_says_is_never_handed_out(self):
        kept = self.shelf("models")
        name = kept.put(b"one")
        Path(kept.directory, name).write_bytes(b"two")
        self.assertRaises(shelf.Spoilt, kept.get, name)
        self.assertRaises(shelf.Spoilt, kept.get, "../../etc/passwd")
        kept.point(name, rows=1)
        self.assertRaises(verify_books.Wrong, verify_shelf.check_shelves, self.room)

    def test_a_module_goes_on_with_what_it_had_until_there_is_something_it_can_trust(self):
        kept, said = self.shelf("models"), []
        has = InForce("models", lambda level, text: said.append(level), os.path.join(self.room, "shelf"))
        self.assertIsNone(has.look())
        good, bad = kept.put(b'{"n": 1}'), kept.put(b'{"n": 2}')
        kept.point(good)
        self.assertEqual(has.look(), {"n": 1})
        Path(kept.directory, bad).write_bytes(b'{"n": 3}')
        kept.point(bad)
        self.assertEqual([has.look(), has.look(), has.name], [{"n": 1}, {"n": 1}, good])
        Path(kept.directory, "current").write_bytes(b"{")
        self.assertEqual(has.look(), {"n": 1})
        self.assertEqual(said, ["INFO", "WARNING", "WARNING"])

    def test_the_cleanup_removes_what_is_old_and_never_what_is_in_force(self):
        kept = self.shelf("models")
        old, named, new = (kept.put(text) for text in (b"old", b"named", b"new"))
        kept.point(named)
        for name in (old, named, "current"):
            os.utime(os.path.join(kept.directory, name), (1000, 1000))
        self.assertEqual(cleanup.clean(kept, older_than=2000), 1)
        self.assertEqual(set(self.files("models")), {named, new, "current"})


class Ingest(Room):
    def test_it_goes_on_where_it_was_and_ran_twice_it_leaves_the_same(self):
        candles = self.shelf("candles")
        self.assertRaises(job.TryLater, luka_ingest.ingest, candles, self.exchange(299))
        luka_ingest.ingest(candles, self.exchange(400))
        manifest = luka_ingest.ingest(candles, self.exchange(700))
        rows = job.read_rows(candles.get(manifest["sha256"]))
        self.assertEqual(rows, [[c[column] for column in luka_ingest.COLUMNS] for c in CANDLES])
        before = self.files("candles")
        self.assertEqual(luka_ingest.ingest(candles, self.exchange(700)), manifest)
        self.assertEqual(self.files("candles"), before)
        self.assertEqual(verify_shelf.check_shelves(self.room), 1)

    def test_away_for_longer_than_the_exchange_remembers_it_begins_anew_and_hides_no_gap(self):
        candles = self.shelf("candles")
        luka_ingest.ingest(candles, self.exchange(400))
        manifest = luka_ingest.ingest(candles, self.exchange(9000))
        self.assertEqual((manifest["first"], manifest["last"]), (9000 - market.HISTORY, 8999))

    def test_features_of_older_data_than_promised_are_refused(self):
        candles, made = self.shelf("candles"), self.shelf("features")
        until = luka_ingest.ingest(candles, self.exchange(400))["until"]
        name = roko_features.make(candles, made, until)
        self.assertEqual(roko_features.make(candles, made, until), name)
        self.assertRaises(job.Refused, roko_features.make, candles, made, "9999-01-01T00:00Z")
        self.assertEqual(verify_shelf.check_shelves(self.room), 2)


class Weights(unittest.TestCase):
    def test_the_order_brings_the_weights_back_to_those_of_the_opening(self):
        opening = {"cash_cents": 10_000_000, "btc_sats": 100_000_000}
        now = {"price_cents": 2_000_000, "opening": opening, **opening}
        self.assertIsNone(asky_rebalance.order(now))
        heavy = {**now, "btc_sats": 110_000_000, "cash_cents": 9_800_000}
        self.assertEqual(asky_rebalance.order(heavy), ("sell", 10_000_000))
        light = {**now, "btc_sats": 90_000_000, "cash_cents": 10_200_000}
        self.assertEqual(asky_rebalance.order(light), ("buy", 10_000_000))


if __name__ == "__main__":
    unittest.main()
