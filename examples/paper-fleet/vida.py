"""VIDA, data acquisition: replays the recorded market as a live feed, one candle after the other, to all who
listen.

It goes on where it was killed; a few candles may be said twice, none is left out. `candles` answers with any
earlier stretch, for a listener that was away.
"""

import os
import time

import market
import mark_sdk as mark
import paper

LOG_EVERY = 10
PAGE = 500


class Vida:
    def __init__(self):
        self.market = market.Market()
        self.position = paper.remembered("position")
        self.next = self.position.get("next", 0)

    def candles(self, asked, _request):
        last = min(asked["to"], self.next - 1, asked["from"] + PAGE - 1)
        return [self.market.candle(index) for index in range(asked["from"], last + 1)]

    def play(self):
        link = mark.link()
        link.serve("candles", self.candles, ledger=paper.remembered("answers"))
        pause = 1 / float(os.environ.get("VIDA_SPEED") or 20)
        mark.ready()
        due = time.monotonic()
        while True:
            candle = self.market.candle(self.next)
            self.next += 1
            # Only what is said live carries a time.
            link.publish("candles/live", {**candle, "at": time.time()})
            self._keep_account(candle)
            due = max(due + pause, time.monotonic() - 1)  # catch up after a hiccup, but never by a flood
            time.sleep(max(0, due - time.monotonic()))

    def _keep_account(self, candle):
        self.position["next"] = self.next  # on the disk soon; killed before, it says a few candles again
        if self.next % LOG_EVERY == 0:
            paper.log("INFO", f"candle {candle['index']} BTC/USD {candle['usd_cents']} cents")
        now_ms = int(time.time() * 1000)
        paper.beat(f"next={self.next}", state="trading", feeds={"BTC/USD": now_ms})


if __name__ == "__main__":
    paper.run(lambda: Vida().play())
