"""DANI, decisions: makes four proposals a second of the newest features and hands them to NANA, who alone can
let them pass. Features older than two seconds are no ground to trade on.

The rule is there to trade often, not to be rich: buy what is below its fast average, sell what is above.
"""

import threading
import time

import paper
import wire

DECIDE_EVERY_S = 0.25
STALE_AFTER_S = 2
UNIT_SATS = 200_000  # 0.002 BTC


def proposal(features):
    side = "buy" if features["price_cents"] < features["fast"] else "sell"
    return {"op": "propose", "side": side, "sats": UNIT_SATS, "features": features}


def ask_nana(question):
    try:
        return wire.ask(wire.port_of("NANA", 17105), question, timeout=4)
    except OSError as error:
        return {"verdict": "REJECTED", "reason": f"no answer from NANA, nothing trades ({error})"}


class Dani:
    def __init__(self):
        self.features = None
        self.proposed = self.executed = 0
        self.halt_level = ""

    def _listen(self):
        for features in wire.subscribe(wire.port_of("ROKO", 17103)):
            if features is not None:
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
        question = proposal(features)
        verdict = ask_nana(question)
        self.proposed += 1
        self.executed += verdict["verdict"] == "EXECUTED"
        order = f"{question['side']} {question['sats']} sats at candle {features['index']}"
        paper.log("INFO", f"{order}: {verdict['verdict']} {verdict['reason']}")

    def work(self):
        threading.Thread(target=paper.guarded, args=(self._listen,), daemon=True).start()
        paper.notify("READY=1")
        while True:
            newest = self.features
            fresh = newest is not None and time.time() - newest["at"] < STALE_AFTER_S
            state = self._obey_halt() or ("trading" if fresh else "waiting")
            if state == "trading":
                self._decide(newest)
            paper.beat(f"state={state} proposed={self.proposed} executed={self.executed}")
            time.sleep(DECIDE_EVERY_S)


if __name__ == "__main__":
    paper.run(Dani().work)
