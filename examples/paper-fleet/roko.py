"""ROKO, features: turns candles into the few numbers that the decision needs.

It keeps nothing: after a restart, or a gap in the feed, it asks LUKA for the last candles and is warm at
once.
"""

import collections
import time

import mark_sdk as mark
import paper
from features import SLOW, WINDOW, features

LOG_EVERY = 10


class Roko:
    def __init__(self):
        self.window = collections.deque(maxlen=WINDOW)
        self.heard_ms = None

    def _take(self, candle):
        if self.window and candle["index"] == self.window[-1]["index"] + 1:
            self.window.append(candle)
        else:
            self._warm_up(candle)
        return len(self.window) >= SLOW

    def _warm_up(self, candle):
        self.window.clear()
        try:
            recent = mark.link().request("luka", "recent", WINDOW, timeout=2)
            self.window.extend(known for known in recent if known["index"] < candle["index"])
        except (mark.RequestRefused, mark.RequestUnknown):
            pass  # then the window fills candle by candle
        self.window.append(candle)
        paper.log("INFO", f"warm with {len(self.window)} candles up to {candle['index']}")

    def take(self, candle, _topic):
        self.heard_ms = int(time.time() * 1000)
        if not self._take(candle):
            return
        now = features(list(self.window))
        # A late candle is for the window, not to trade on.
        mark.link().publish("features", {**now, "at": candle.get("at", 0)})
        if now["index"] % LOG_EVERY == 0:
            paper.log(
                "INFO",
                f"features of {now['index']}: return={now['return']:+.5f} "
                f"volatility={now['volatility']:.5f} premium={now['premium']:+.4f}",
            )

    def watch(self):
        mark.link().subscribe("candles/stored", self.take)
        mark.ready()
        while True:
            feeds = {} if self.heard_ms is None else {"luka": self.heard_ms}
            paper.beat(f"window={len(self.window)}", state="trading", feeds=feeds)
            time.sleep(0.2)


if __name__ == "__main__":
    paper.run(lambda: Roko().watch())
