"""The recorded market: one-minute closes of BTC/USD and BTC/USDC, in whole cents."""

import csv
import os
from decimal import Decimal

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
MINUTE_MS = 60_000
HISTORY = 2880
PAGE = 500


def _closes(pair):
    with open(os.path.join(DATA, f"{pair}-1m.csv"), newline="") as file:
        return [(int(row["openTimeMs"]), int(Decimal(row["close"]) * 100)) for row in csv.DictReader(file)]


class Market:
    def __init__(self):
        usd, usdc = _closes("BTCUSD"), _closes("BTCUSDC")
        self.start_ms = usd[0][0]
        self.usd = [cents for _, cents in usd]
        self.usdc = [cents for _, cents in usdc]

    def candle(self, index):
        """Index goes on for ever: after the last recorded minute the prices begin again, time does not."""
        row = index % len(self.usd)
        time_ms = self.start_ms + index * MINUTE_MS
        return {"index": index, "time": time_ms, "usd_cents": self.usd[row], "usdc_cents": self.usdc[row]}


class Replay:
    """The market as it is played since the exchange opened, `speed` candles a second."""

    def __init__(self, market, speed):
        self.market, self.speed = market, speed

    def _now(self, seconds):
        return int(max(0, seconds) * self.speed)

    def price_cents(self, seconds):
        return self.market.candle(self._now(seconds))["usd_cents"]

    def history(self, since, seconds):
        """Candles that are over, oldest first, of the last HISTORY at most PAGE; and the newest there is."""
        newest = self._now(seconds) - 1
        first = max(since, newest + 1 - HISTORY)
        page = range(first, min(first + PAGE, newest + 1))
        return {"candles": [self.market.candle(index) for index in page], "newest": newest}
