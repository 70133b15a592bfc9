"""DANI, decisions: makes four proposals a second of the newest features and hands them to NANA, who alone can
let them pass. Features older than two seconds are no ground to trade on.

The rule is there to trade often, not to be rich: buy what is below its fast average, sell what is above.
"""

import time

import mark_sdk as mark
import paper

DECIDE_EVERY_S = 0.25
STALE_AFTER_S = 2
UNIT_SATS = 200_000  # 0.002 BTC


def proposal(features):
    side = "buy" if features["price_cents"] < features["fast"] else "sell"
    return {"side": side, "sats": UNIT_SATS, "features": features}


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

    def _decide(self, features):
        proposed = proposal(features)
        verdict, reason = ask_nana(proposed)
        self.proposed += 1
        self.executed += verdict == "EXECUTED"
        order = f"{proposed['side']} {proposed['sats']} sats at candle {features['index']}"
        paper.log("INFO", f"{order}: {verdict} {reason}")

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
