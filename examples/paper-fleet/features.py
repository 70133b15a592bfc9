"""The few numbers that are made of candles: ROKO's module makes them live, its job for all that LUKA has
collected. Pure, so that both make the same; of a candle and those before it alone, never of a later one.
"""

import statistics

FAST, SLOW = 5, 20
WINDOW = 60
INPUTS = ("return", "fast", "slow", "volatility", "premium")


def features(candles):
    prices = [candle["usd_cents"] for candle in candles]
    returns = [after / before - 1 for before, after in zip(prices, prices[1:])]
    last = candles[-1]
    return {
        "index": last["index"],
        "price_cents": last["usd_cents"],
        "return": returns[-1],
        "fast": statistics.fmean(prices[-FAST:]),
        "slow": statistics.fmean(prices[-SLOW:]),
        "volatility": statistics.pstdev(returns),
        # How much dearer bitcoin is in USDC than in dollars: what the market doubts about USDC.
        "premium": last["usdc_cents"] / last["usd_cents"] - 1,
    }


def inputs(now):
    """What model and policy look at, in the order of INPUTS: whole millionths, averages as their distance
    from the price."""
    price = now["price_cents"]
    shares = (
        now["return"],
        now["fast"] / price - 1,
        now["slow"] / price - 1,
        now["volatility"],
        now["premium"],
    )
    return [round(share * 1_000_000) for share in shares]


def table(candles):
    """A row [index, price in cents, *inputs] for each candle that has a whole window behind it."""
    rows = []
    for end in range(WINDOW, len(candles) + 1):
        now = features(candles[end - WINDOW : end])
        rows.append([now["index"], now["price_cents"], *inputs(now)])
    return rows
