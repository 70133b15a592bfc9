"""DANI, decisions: makes four proposals a second of the newest features and hands them to NANA, who alone can
let them pass. Features older than two seconds are no ground to trade on.

DABI's model, where one is in force, says which way, and SAAN's policy how much. Without a model there is a
rule: buy what is below its fast average, sell what is above. All of it is there to trade often, not to be
rich.
"""

import time

import mark_sdk as mark
import model
import paper
import policy
from features import inputs
from in_force import InForce

DECIDE_EVERY_S = 0.25
STALE_AFTER_S = 2
UNIT_SATS = 200_000  # 0.002 BTC


def side_of(features, learned):
    """By the model: buys when it thinks more of the next tick than it mostly does."""
    if learned is None:
        return "buy" if features["price_cents"] < features["fast"] else "sell"
    return "buy" if model.chance_up(learned, inputs(features)) > learned["middle"] else "sell"


def sats_of(side, stance):
    """The whole unit where the policy wants the same, or there is none; else half of it."""
    return UNIT_SATS if stance in (None, 1 if side == "buy" else -1) else UNIT_SATS // 2


def ask_nana(proposed):
    """What became of it, in one word, and why."""
    try:
        return "EXECUTED", mark.link().request("nana", "propose", proposed, timeout=4)
    except mark.RequestRefused as refused:
        return "REJECTED", str(refused)
    except mark.RequestUnknown as unknown:
        return "PENDING", str(unknown)


class Dani:
    def __init__(self):
        self.features = None
        self.proposed = self.executed = 0
        self.halt_level = ""
        self.model, self.policy = InForce("models", paper.log), InForce("policies", paper.log)
        self.stance = 0

    def hear(self, features, _topic):
        self.features = features

    def _obey_halt(self):
        level = paper.halted()
        if level != self.halt_level:
            paper.log(
                "WARNING", f"{level} ordered: no new decisions" if level else "released: deciding again"
            )
        self.halt_level = level
        return level

    def _proposal(self, features):
        side, made = side_of(features, self.model.look()), self.policy.look()
        if made is not None:
            self.stance = policy.stance_of(made["policy"], inputs(features), self.stance)
        sats = sats_of(side, None if made is None else self.stance)
        return {"side": side, "sats": sats, "features": features}

    def _decide(self, features):
        proposed = self._proposal(features)
        verdict, reason = ask_nana(proposed)
        self.proposed += 1
        self.executed += verdict == "EXECUTED"
        order = f"{proposed['side']} {proposed['sats']} sats at candle {features['index']}"
        by = f"model {self.model.short}, policy {self.policy.short}"
        paper.log("INFO", f"{order} by {by}: {verdict} {reason}")

    def work(self):
        mark.link().subscribe("features", self.hear)
        mark.ready()
        while True:
            newest = self.features
            fresh = newest is not None and time.time() - newest["at"] < STALE_AFTER_S
            state = "paused" if self._obey_halt() else "trading" if fresh else "catching_up"
            if state == "trading":
                self._decide(newest)
            feeds = {} if newest is None else {"roko": int(newest["at"] * 1000)}
            paper.beat(
                f"state={state} proposed={self.proposed} executed={self.executed}", state=state, feeds=feeds
            )
            time.sleep(DECIDE_EVERY_S)


if __name__ == "__main__":
    paper.run(Dani().work)
