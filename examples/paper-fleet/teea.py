"""TEEA, execution: sends approved orders and knows at any moment, and after any kill, what they did.

An order is written into the books, under the id that its request came with and that the exchange will know
it by, before it is sent. If the answer is lost, or TEEA dies, the id is still there: before anything new is
traded it is settled with the exchange, which says what became of it. Money that does not agree with the
exchange afterwards, or books that are lost, is exit code 11.
"""

import threading
import time

import durable
import mark_sdk as mark
import paper
import wire
from books import Books, after

LAST_WORDS_S = 0.8


class Teea:
    def __init__(self, books, ask_exchange, publish=lambda topic, data, **how: None):
        self.lock = threading.Lock()
        self.books, self.ask, self.publish = books, ask_exchange, publish
        self.settled = False

    def order(self, asked, request):
        """Executes one request; its id, or the one it brings, is the order's: the exchange fills it once,
        whatever happens, and however many requests ask for it."""
        with self.lock:
            level = paper.halted()
            if level:
                raise mark.Refuse("halted", f"{level} ordered")
            if not self.settled:
                raise mark.Refuse("reconciling", "not reconciled with the exchange")
            try:
                return self._send(asked.get("id", request.id), asked["side"], asked["sats"])
            except OSError:
                self.settled = False  # the order stays pending: it may or may not have been filled
                raise

    def _send(self, order_id, side, sats):
        self.books.begin(order_id, {"side": side, "sats": sats})
        answer = self.ask({"op": "order", "client_order_id": order_id, "side": side, "sats": sats})
        filled = answer["status"] == "filled"
        account = self.books.account
        is_new = filled and answer["fill"]["seq"] > account["fill_seq"]
        self.books.close([order_id], self._booked(account, answer["fill"]) if is_new else account)
        if not filled:
            raise mark.Refuse("rejected", answer["reason"])
        return order_id

    def recover(self, request_id, asked):
        """Begun when TEEA was killed: the exchange knows what it did, or sees to it that it never does."""
        order_id = asked.get("id", request_id)
        answer = self.ask({"op": "cancel", "client_order_id": order_id})
        if answer["status"] != "filled":
            raise mark.Refuse("rejected", answer["reason"])
        return order_id

    def _booked(self, account, fill):
        paper.log("INFO", f"booked {fill['client_order_id']} {fill['side']} {fill['sats']} sats")
        self.publish("fills", fill)
        return after(account, fill)

    def settle(self):
        """Learns what became of every order whose answer was lost; Corrupt if the money does not agree."""
        with self.lock:
            if self.books.account is None:
                self.books.open(self.ask({"op": "balances"})["opening"])
            pending = self.books.pending
            for order_id in pending:
                # Filled or cancelled: from now on certain.
                self.ask({"op": "cancel", "client_order_id": order_id})
            booked = self._book_missed_fills(pending)
            self._compare(self.ask({"op": "balances"}))
            self.settled = True
            words = f"{len(pending)} orders were open, {booked} fills were missed"
            paper.log("INFO", f"settled with the exchange: {words}")

    def _book_missed_fills(self, pending):
        account, booked = self.books.account, 0
        while fills := self.ask({"op": "fills", "since": account["fill_seq"]})["fills"]:
            for fill in fills:
                account = self._booked(account, fill)
            booked += len(fills)
        self.books.close(pending, account)
        return booked

    def _compare(self, balances):
        account = self.books.account
        wrong = [
            f"{name}: {account[name]} here, {balances[name]} at the exchange"
            for name in ("cash_cents", "btc_sats")
            if account[name] != balances[name]
        ]
        mark.reconciled(not wrong, "; ".join(wrong) or None)
        if wrong:
            raise durable.Corrupt("; ".join(wrong))

    def work(self):
        link = mark.link()
        self.publish = link.publish
        while not self.settled:
            self._try_to_settle()
        # Only now: requests that were begun in an earlier life are told what became of them.
        link.serve("order", self.order, ledger=paper.remembered("orders"), recover=self.recover)
        while True:
            if not self.settled:
                self._try_to_settle()
            self._tell()
            time.sleep(0.2)

    def _try_to_settle(self):
        try:
            self.settle()
            mark.ready()
        except OSError as error:
            paper.log("WARNING", f"cannot settle yet: {error}")
            time.sleep(0.15)

    def _tell(self):
        account, pending = self.books.account, len(self.books.pending)
        state = "paused" if paper.halted() else "trading" if self.settled else "starting"
        words = f"state={state} fills={account['fills']} pending={pending}"
        paper.beat(words, state=state, open_orders=pending, exposure=account["btc_sats"])
        self.publish("books", {**account, "settled": self.settled}, retain=True, qos=0)


class Life:
    """TEEA of this process, made where the work begins: books that are lost end it with exit code 11."""

    teea = None

    def work(self):
        self.teea = Teea(Books(paper.remembered("books")), ask_exchange)
        self.teea.work()

    def finish_order_in_hand(self):
        if self.teea is not None:
            self.teea.lock.acquire(timeout=LAST_WORDS_S)


def ask_exchange(question):
    return wire.ask(wire.port_of("EXCHANGE", 17100), question)


if __name__ == "__main__":
    life = Life()
    paper.run(life.work, last_words=life.finish_order_in_hand)
