"""VIDA, data acquisition: replays the recorded market as a live feed, one candle after the other, to all who
listen.

It goes on where it was killed; a few candles may be said twice, none is left out. `candles` answers with any
earlier stretch, for a listener that was away.
"""

import os
import time

import durable
import market
import paper
import wire

SAVE_EVERY = 5
LOG_EVERY = 10
PAGE = 500


class Vida:
    def __init__(self):
        self.market = market.Market()
        self.path = paper.state_path("position.json")
        self.next = (durable.load(self.path) or {"next": 0})["next"]

    def answer(self, question):
        if question["op"] != "candles":
            return {"error": "unknown op"}
        last = min(question["to"], self.next - 1, question["from"] + PAGE - 1)
        return {"candles": [self.market.candle(index) for index in range(question["from"], last + 1)]}

    def play(self):
        server = wire.serve(wire.port_of("VIDA", 17101), self.answer)
        pause = 1 / float(os.environ.get("VIDA_SPEED") or 20)
        paper.notify("READY=1")
        due = time.monotonic()
        while True:
            candle = self.market.candle(self.next)
            self.next += 1
            server.publish({**candle, "at": time.time()})  # only what is said live carries a time
            self._keep_account(candle, len(server.subscribers))
            due = max(due + pause, time.monotonic() - 1)  # catch up after a hiccup, but never by a flood
            time.sleep(max(0, due - time.monotonic()))

    def _keep_account(self, candle, listeners):
        if self.next % SAVE_EVERY == 0:
            durable.save(self.path, {"next": self.next})
        if self.next % LOG_EVERY == 0:
            paper.log("INFO", f"candle {candle['index']} BTC/USD {candle['usd_cents']} cents")
        paper.beat(f"next={self.next} listeners={listeners}")


if __name__ == "__main__":
    paper.run(lambda: Vida().play())
