"""What the jobs of the fleet learn, and what they may never learn from. Run here: python3 -m unittest"""

import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python", "src")]

import features, market, model, policy, shelf  # noqa: E401, E402
from jobs import dabi_train, job, saan_gate, saan_train  # noqa: E402

RECORDED = market.Market()
CANDLES = [RECORDED.candle(index) for index in range(700)]
TABLE = features.table(CANDLES)


class Learning(unittest.TestCase):
    def test_no_feature_looks_ahead_another_future_changes_nothing_before_it(self):
        at = 400
        future = [{**candle, "index": i} for i, candle in enumerate(reversed(CANDLES[at:]), at)]
        other = features.table(CANDLES[:at] + future)
        past = at - features.WINDOW + 1
        self.assertEqual(other[:past], TABLE[:past])
        self.assertNotEqual(other[past:], TABLE[past:])

    def test_no_guess_of_the_walk_forward_knows_what_comes_after_it(self):
        size = len(model.samples(TABLE)) // (model.FOLDS + 1)
        known = model.samples(TABLE[: size + 1])
        self.assertEqual(known, model.samples(TABLE)[:size])
        # The direction of the next tick as an input would be found at once; the inputs we have tell little.
        cheat = [[*row[:2], 1000 if after[1] > row[1] else -1000] for row, after in zip(TABLE, TABLE[1:])]
        self.assertGreater(model.walk_forward(cheat)["model"], 0.99)
        self.assertLess(model.walk_forward(TABLE)["model"], 0.6)

    def test_the_same_features_give_the_same_model_and_the_model_has_its_say(self):
        learned = dabi_train.learn(TABLE, "features")
        self.assertEqual(shelf.as_json(learned), shelf.as_json(dabi_train.learn(TABLE, "features")))
        ups = sum(model.chance_up(learned, row[2:]) > learned["middle"] for row in TABLE)
        self.assertTrue(0.4 < ups / len(TABLE) < 0.6)

    def test_the_gate_promotes_what_is_better_and_refuses_the_planted_one(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        policies = shelf.Shelf("policies", room.name)

        def candidate(worst):
            return policies.put(shelf.as_json(saan_train.candidate(TABLE, "features", worst)))

        good, planted = candidate(False), candidate(True)
        self.assertRaises(job.Refused, saan_gate.decide, policies, planted, TABLE)
        self.assertIsNone(policies.current())
        self.assertIn("in force now", saan_gate.decide(policies, good, TABLE))
        self.assertRaises(job.Refused, saan_gate.decide, policies, planted, TABLE)
        self.assertIn("no better", saan_gate.decide(policies, good, TABLE))
        self.assertEqual(policies.current()["sha256"], good)

    def test_the_gate_judges_by_no_tick_that_the_candidate_learned_from(self):
        made = saan_train.candidate(TABLE, "features", False)
        learned_from = [row for row in TABLE if row[0] <= made["learned_until"]]
        self.assertRaises(job.Refused, saan_gate.judge, made, None, learned_from)
        spoilt = [[row[0], 1, *row[2:]] for row in learned_from] + TABLE[len(learned_from) :]
        self.assertEqual(saan_gate.judge(made, None, spoilt), saan_gate.judge(made, None, TABLE))
        self.assertEqual(policy.score(TABLE, lambda inputs, before: 0), 0)


if __name__ == "__main__":
    unittest.main()
