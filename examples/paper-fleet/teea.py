"""TEEA, execution: sends approved orders and knows at any moment, and after any kill, what they did.

An order is written into the state, with the id that the exchange will know it by, before it is sent. If the
answer is lost, or TEEA dies, the id is still there: before anything new is traded it is settled with the
exchange, which says what became of it. Money that does not agree with the exchange afterwards, or a state
that is lost, is exit code 11.
"""

import json
import os
import threading
import time

import durable
import paper
import wire

LAST_WORDS_S = 0.8


class Teea:
    def __init__(self, path, ask_exchange, publish=lambda fill: None):
        self.lock = threading.Lock()
        self.path, self.ask, self.publish = path, ask_exchange, publish
        self.state, self.settled = None, False

    def answer(self, question):
        if question["op"] == "state":
            with self.lock:
                return {"state": json.loads(json.dumps(self.state)), "settled": self.settled}
        if question["op"] == "order":
            return self.order(question["side"], question["sats"])
        return {"error": "unknown op"}

    def order(self, side, sats):
        with self.lock:
            level = paper.halted()
            if level:
                return {"verdict": "REJECTED", "reason": f"{level} ordered"}
            if not self.settled:
                return {"verdict": "REJECTED", "reason": "not reconciled with the exchange"}
            try:
                return self._send(side, sats)
            except OSError as error:
                self.settled = False  # the order stays pending: it may or may not have been filled
                return {"verdict": "PENDING", "reason": str(error)}

    def _send(self, side, sats):
        # The random part keeps the id unique even if this state is replaced by an older generation of itself.
        order_id = f"teea-{self.state['next_order']}-{os.urandom(3).hex()}"
        self.state["next_order"] += 1
        self.state["pending"][order_id] = {"side": side, "sats": sats}
        durable.save(self.path, self.state)
        answer = self.ask({"op": "order", "client_order_id": order_id, "side": side, "sats": sats})
        filled = answer["status"] == "filled"
        if filled:
            self._book(answer["fill"])
        del self.state["pending"][order_id]
        durable.save(self.path, self.state)
        return {"verdict": "EXECUTED" if filled else "REJECTED", "reason": answer.get("reason", order_id)}

    def _book(self, fill):
        sign = 1 if fill["side"] == "buy" else -1
        self.state["cash_cents"] -= sign * fill["cost_cents"] + fill["fee_cents"]
        self.state["btc_sats"] += sign * fill["sats"]
        self.state["fill_seq"] = fill["seq"]
        self.state["fills"] += 1
        paper.log("INFO", f"booked {fill['client_order_id']} {fill['side']} {fill['sats']} sats")
        self.publish(fill)

    def settle(self):
        """Learns what became of every order whose answer was lost; Corrupt if the money does not agree."""
        with self.lock:
            if self.state is None:
                self.state = durable.load(self.path) or self._first_state()
            pending = len(self.state["pending"])
            for order_id in self.state["pending"]:
                self.ask(
                    {"op": "cancel", "client_order_id": order_id}
                )  # filled or cancelled: from now on certain
            booked = self._book_missed_fills()
            self.state["pending"] = {}
            durable.save(self.path, self.state)
            self._compare(self.ask({"op": "balances"}))
            self.settled = True
            paper.log(
                "INFO", f"settled with the exchange: {pending} orders were open, {booked} fills were missed"
            )

    def _first_state(self):
        opening = self.ask({"op": "balances"})["opening"]
        return {
            "cash_cents": opening["cash_cents"],
            "btc_sats": opening["btc_sats"],
            "fill_seq": 0,
            "fills": 0,
            "next_order": 1,
            "pending": {},
        }

    def _book_missed_fills(self):
        booked = 0
        while fills := self.ask({"op": "fills", "since": self.state["fill_seq"]})["fills"]:
            for fill in fills:
                self._book(fill)
            booked += len(fills)
        return booked

    def _compare(self, balances):
        for name in ("cash_cents", "btc_sats"):
            if self.state[name] != balances[name]:
                raise durable.Corrupt(f"{name}: {self.state[name]} here, {balances[name]} at the exchange")

    def watch(self):
        """Settles whenever an answer was lost, also when no new order comes."""
        while True:
            if not self.settled:
                self._try_to_settle()
            state = "trading" if self.settled else "reconciling"
            orders = self.state or {"fills": 0, "pending": {}}
            paper.beat(
                f"state={paper.halted() or state} fills={orders['fills']} pending={len(orders['pending'])}"
            )
            time.sleep(0.1)

    def _try_to_settle(self):
        try:
            self.settle()
            paper.notify("READY=1")
        except OSError as error:
            paper.log("WARNING", f"cannot settle yet: {error}")
            time.sleep(0.15)

    def work(self):
        server = wire.serve(wire.port_of("TEEA", 17106), self.answer)
        self.publish = server.publish
        self.watch()

    def finish_order_in_hand(self):
        self.lock.acquire(timeout=LAST_WORDS_S)


def ask_exchange(question):
    return wire.ask(wire.port_of("EXCHANGE", 17100), question)


if __name__ == "__main__":
    execution = Teea(paper.state_path("teea.json"), ask_exchange)
    paper.run(execution.work, last_words=execution.finish_order_in_hand)
