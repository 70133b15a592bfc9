"""EXCHANGE: a stand-in for a real one. Fills market orders from its own replay of the market and keeps the
only ledger that counts: append-only, synced before an order is answered, all money in whole cents and
satoshis.

An order is known by its client_order_id. The same id always gets the same answer, so a client that did not
hear the answer may ask again, and `cancel` settles an order for good: it was filled, or it never will be.
"""

import os
import threading
import time

import ledger
import market
import mark_sdk as mark
import paper
import wire

OPENING = {"cash_cents": 10_000_000, "btc_sats": 100_000_000}  # 100,000 USD and 1 BTC
FEE_BPS = 10
SPREAD_BPS = 1
BPS = 10_000
SATS_PER_BTC = 100_000_000
PAGE = 200


def divide_up(amount, divisor):
    return -(-amount // divisor)


class Exchange:
    def __init__(self, path, replay):
        self.lock = threading.Lock()
        self.replay = replay
        self.ledger = ledger.Ledger(path, OPENING)
        self.answers = {}
        for entry in self.ledger.entries:
            self._remember(entry)

    def _remember(self, entry):
        self.cash_cents, self.btc_sats = entry["cash_cents"], entry["btc_sats"]
        if entry["kind"] == "fill":
            self.answers[entry["client_order_id"]] = {"status": "filled", "fill": entry}
        elif entry["kind"] == "reject":
            self.answers[entry["client_order_id"]] = {"status": "rejected", "reason": entry["reason"]}

    def open_for_s(self):
        return time.time() - self.ledger.entries[0]["at"]

    def price_cents(self):
        return self.replay.price_cents(self.open_for_s())

    def order(self, order_id, side, sats):
        if order_id in self.answers:
            return self.answers[order_id]
        sign = {"buy": 1, "sell": -1}[side]
        price = self.price_cents() * (BPS + sign * SPREAD_BPS) // BPS
        # Fractions of a cent always go to the house.
        cost = divide_up(sats * price, SATS_PER_BTC) if sign > 0 else sats * price // SATS_PER_BTC
        fee = divide_up(cost * FEE_BPS, BPS)
        cash, btc = self.cash_cents - sign * cost - fee, self.btc_sats + sign * sats
        if type(sats) is not int or sats <= 0 or cash < 0 or btc < 0:
            return self._reject(order_id, "not enough funds, or not an amount")
        order = {"kind": "fill", "client_order_id": order_id, "side": side, "sats": sats}
        money = {
            "price_cents": price,
            "cost_cents": cost,
            "fee_cents": fee,
            "cash_cents": cash,
            "btc_sats": btc,
        }
        self._remember(self.ledger.append({**order, **money}))
        paper.log("INFO", f"filled {order_id} {side} {sats} sats at {price} cents")
        return self.answers[order_id]

    def _reject(self, order_id, reason):
        if order_id not in self.answers:
            entry = {"kind": "reject", "client_order_id": order_id, "reason": reason}
            unchanged = {"cash_cents": self.cash_cents, "btc_sats": self.btc_sats}
            self._remember(self.ledger.append({**entry, **unchanged}))
            paper.log("WARNING", f"rejected {order_id}: {reason}")
        return self.answers[order_id]

    def fills(self, since):
        return [entry for entry in self.ledger.entries[since:] if entry["kind"] == "fill"][:PAGE]

    def answer(self, question):
        with self.lock:
            op = question["op"]
            if op == "order":
                return self.order(question["client_order_id"], question["side"], question["sats"])
            if op == "cancel":
                return self._reject(question["client_order_id"], "cancelled before it came")
            if op == "fills":
                return {"fills": self.fills(question["since"])}
            if op == "candles":
                return self.replay.history(question["since"], self.open_for_s())
            if op == "balances":
                balances = {"cash_cents": self.cash_cents, "btc_sats": self.btc_sats}
                return {**balances, "price_cents": self.price_cents(), "opening": self.ledger.entries[0]}
            if op == "positions":
                return {"positions": {"BTC": self.btc_sats}}
            if op == "open_orders":
                return {"open_orders": []}  # a market order is filled or rejected at once
            return {"error": f"unknown op {op}"}


def main():
    replay = market.Replay(market.Market(), float(os.environ.get("VIDA_SPEED") or 20))
    exchange = Exchange(paper.state_path("ledger.jsonl"), replay)
    wire.serve(wire.port_of("EXCHANGE", 17100), exchange.answer)
    mark.ready()
    while True:
        orders, cash, btc = len(exchange.answers), exchange.cash_cents, exchange.btc_sats
        paper.beat(f"orders={orders} cash_cents={cash} btc_sats={btc}", state="trading")
        time.sleep(0.2)


if __name__ == "__main__":
    paper.run(main)
