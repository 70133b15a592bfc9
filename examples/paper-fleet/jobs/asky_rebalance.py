"""ASKY, rebalancing: where the share of bitcoin has moved away from that of the opening account, asks NANA
for the order that brings it back; NANA may shrink or veto it, as one of DANI's.

The order has the id of this run of the job, so that another attempt, whatever became of the first, asks for
the same order again: the exchange fills an id once.
"""

import os

import mark_sdk as mark
import shelf
import wire
from jobs import job

BAND = 0.001  # of all that we own; less is not worth the fee
SATS_PER_BTC = 100_000_000
FINAL = {"veto", "rejected", "halted"}


def order(account):
    """(side, sats) that brings the share of bitcoin back to what it was; None if it is near enough."""
    price = account["price_cents"] / SATS_PER_BTC
    opening, sats = account["opening"], account["btc_sats"]
    share = opening["btc_sats"] * price / (opening["btc_sats"] * price + opening["cash_cents"])
    worth = sats * price + account["cash_cents"]
    missing = share * worth / price - sats
    if abs(missing) * price < BAND * worth:
        return None
    return "buy" if missing > 0 else "sell", int(abs(missing))


def newest_risk():
    """What NANA wants to know of the market, from ROKO's newest features."""
    known = shelf.Shelf("features")
    pointer = known.current()
    if pointer is None:
        raise job.TryLater("ROKO has made no features yet")
    *_, volatility, premium = job.read_rows(known.get(pointer["sha256"]))[-1]
    return {"volatility": volatility / 1_000_000, "premium": premium / 1_000_000}


def main():
    wanted = order(wire.ask(wire.port_of("EXCHANGE", 17100), {"op": "balances"}))
    if wanted is None:
        return job.say("INFO", "the weights are near enough")
    side, sats = wanted
    name = f"asky-{os.environ['MARK_JOB_RUN_ID']}"
    asked = {"id": name, "side": side, "sats": sats, "features": newest_risk()}
    try:
        mark.link().request("nana", "propose", asked, timeout=5)
    except mark.RequestRefused as refused:
        kind = job.Refused if refused.code in FINAL else job.TryLater
        raise kind(f"{side} {sats} sats: {refused}") from None
    except mark.RequestUnknown as unknown:
        raise job.TryLater(f"{side} {sats} sats, order {name}: {unknown}") from None
    job.say("INFO", f"{side} {sats} sats asked for, order {name} was filled")


if __name__ == "__main__":
    job.run(main)
