"""NANA, risk: approves, shrinks or vetoes each proposal, and hands what is approved to TEEA.

Orders reach TEEA through NANA and by no other way, so with NANA down nothing trades. What NANA cannot check
she vetoes: the exchange itself is asked for the balances each time, nobody's memory of them is trusted.
"""

import time

import mark_sdk as mark
import paper
import wire

MAX_ORDER_SATS = 1_000_000
MIN_BTC_SATS, MAX_BTC_SATS = 50_000_000, 150_000_000
MIN_CASH_CENTS = 1_000_000
MAX_VOLATILITY = 0.02
DEPEG_PREMIUM = 0.02


class Veto(Exception):
    """Why a proposal must not be traded."""


def approved_sats(side, sats, features, balances):
    """How much of the proposal may be traded; raises Veto if nothing."""
    if features["volatility"] > MAX_VOLATILITY:
        raise Veto(f"volatility {features['volatility']:.4f} is above {MAX_VOLATILITY}")
    sats = min(sats, MAX_ORDER_SATS)
    if abs(features["premium"]) > DEPEG_PREMIUM:
        sats //= 2  # the market doubts USDC: still trade, but small
    after = balances["btc_sats"] + (sats if side == "buy" else -sats)
    if side == "buy" and after > MAX_BTC_SATS:
        raise Veto(f"position would be {after} sats, above {MAX_BTC_SATS}")
    if side == "buy" and balances["cash_cents"] < MIN_CASH_CENTS:
        raise Veto(f"cash {balances['cash_cents']} cents is below {MIN_CASH_CENTS}")
    if side == "sell" and after < MIN_BTC_SATS:
        raise Veto(f"position would be {after} sats, below {MIN_BTC_SATS}")
    return sats


class Nana:
    def __init__(self):
        self.approved = self.vetoed = 0

    def propose(self, asked, _request):
        side = asked["side"]
        try:
            balances = wire.ask(wire.port_of("EXCHANGE", 17100), {"op": "balances"})
            sats = approved_sats(side, asked["sats"], asked["features"], balances)
        except (OSError, Veto) as reason:
            self.vetoed += 1
            paper.log("WARNING", f"veto {side} {asked['sats']} sats: {reason}")
            raise mark.Refuse("veto", str(reason)) from None
        self.approved += 1
        paper.log("INFO", f"approved {side} {sats} of {asked['sats']} sats")
        order = {"side": side, "sats": sats}
        if "id" in asked:
            order["id"] = asked["id"]  # who may ask twice for one order gives it a name
        # What TEEA refuses was not executed, so it is refused here too; what is unknown there stays unknown.
        try:
            return mark.link().request("teea", "order", order, timeout=3)
        except mark.RequestRefused as refused:
            raise mark.Refuse(refused.code, str(refused)) from None

    def work(self):
        mark.link().serve("propose", self.propose, ledger=paper.remembered("proposals"))
        mark.ready()
        while True:
            paper.beat(f"approved={self.approved} vetoed={self.vetoed}", state="trading")
            time.sleep(0.2)


if __name__ == "__main__":
    paper.run(lambda: Nana().work())
