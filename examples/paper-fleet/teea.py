"""TEEA, execution: sends approved orders and knows at any moment, and after any kill, what they did.

An order is written into the books, under the id that its request came with and that the exchange will know it
by, before it is sent. If the answer is lost, or TEEA dies, the id is still there: before anything new is traded
it is settled with the exchange, which says what became of it. Money that does not agree with the exchange
afterwards, or books that are lost, is exit code 11.
"""

import threading
import time

import durable
import mark_sdk as mark
import paper
import wire

LAST_WORDS_S = 0.8
PENDING = "pending/"


class Teea:
    """`books`: `account`, and under `pending/<id>` each order of which it is not known what it did."""

    def __init__(self, books, ask_exchange, publish=lambda topic, data, **how: None):
        self.lock = threading.Lock()
        self.books, self.ask, self.publish = books, ask_exchange, publish
        self.settled = False

    @property
    def account(self):
        return dict(self.books["account"])

    def pending(self):
        return [key[len(PENDING) :] for key in self.books if key.startswith(PENDING)]

    def order(self, asked, request):
        """Executes one request; its id is the order's, so that the exchange fills it once whatever happens."""
        with self.lock:
            level = paper.halted()
            if level:
                raise mark.Refuse("halted", f"{level} ordered")
            if not self.settled:
                raise mark.Refuse("reconciling", "not reconciled with the exchange")
            try:
                return self._send(request.id, asked["side"], asked["sats"])
            except OSError:
                self.settled = False  # the order stays pending: it may or may not have been filled
                raise

    def _send(self, order_id, side, sats):
        self.books.set(PENDING + order_id, {"side": side, "sats": sats}, durable=True)
        answer = self.ask({"op": "order", "client_order_id": order_id, "side": side, "sats": sats})
        filled = answer["status"] == "filled"
        with self.books.transaction(durable=True) as books:
            if filled:
                books["account"] = self._booked(self.account, answer["fill"])
            del books[PENDING + order_id]
        if not filled:
            raise mark.Refuse("rejected", answer.get("reason", order_id))
        return order_id

    def recover(self, order_id, _asked):
        """A request that had begun when TEEA was killed: the exchange knows what it did, or makes it never be."""
        answer = self.ask({"op": "cancel", "client_order_id": order_id})
        if answer["status"] != "filled":
            raise mark.Refuse("rejected", answer["reason"])
        return order_id

    def _booked(self, account, fill):
        """The account after a fill."""
        sign = 1 if fill["side"] == "buy" else -1
        paper.log("INFO", f"booked {fill['client_order_id']} {fill['side']} {fill['sats']} sats")
        self.publish("fills", fill)
        return {
            "cash_cents": account["cash_cents"] - sign * fill["cost_cents"] - fill["fee_cents"],
            "btc_sats": account["btc_sats"] + sign * fill["sats"],
            "fill_seq": fill["seq"],
            "fills": account["fills"] + 1,
        }

    def settle(self):
        """Learns what became of every order whose answer was lost; Corrupt if the money does not agree."""
        with self.lock:
            if "account" not in self.books:
                self.books.set("account", self._first_account(), durable=True)
            pending = self.pending()
            for order_id in pending:
                # Filled or cancelled: from now on certain.
                self.ask({"op": "cancel", "client_order_id": order_id})
            account, booked = self._with_missed_fills(self.account)
            with self.books.transaction(durable=True) as books:
                books["account"] = account
                for order_id in pending:
                    del books[PENDING + order_id]
            agrees = self._compare(account, self.ask({"op": "balances"}))
            mark.reconciled(agrees is None, agrees)
            if agrees is not None:
                raise durable.Corrupt(agrees)
            self.settled = True
            paper.log(
                "INFO",
                f"settled with the exchange: {len(pending)} orders were open, {booked} fills were missed",
            )

    def _first_account(self):
        opening = self.ask({"op": "balances"})["opening"]
        return {
            "cash_cents": opening["cash_cents"],
            "btc_sats": opening["btc_sats"],
            "fill_seq": 0,
            "fills": 0,
        }

    def _with_missed_fills(self, account):
        booked = 0
        while fills := self.ask({"op": "fills", "since": account["fill_seq"]})["fills"]:
            for fill in fills:
                account = self._booked(account, fill)
            booked += len(fills)
        return account, booked

    def _compare(self, account, balances):
        """What does not agree, or None."""
        for name in ("cash_cents", "btc_sats"):
            if account[name] != balances[name]:
                return f"{name}: {account[name]} here, {balances[name]} at the exchange"
        return None

    def watch(self):
        """Settles whenever an answer was lost, also when no new order comes."""
        while True:
            if not self.settled:
                self._try_to_settle()
            account, pending = self.books.get("account", {"fills": 0}), len(self.pending())
            state = "paused" if paper.halted() else "trading" if self.settled else "starting"
            words = f"state={state} fills={account['fills']} pending={pending}"
            paper.beat(words, state=state, open_orders=pending, exposure=account.get("btc_sats"))
            self.publish("books", {**account, "settled": self.settled}, retain=True, qos=0)
            time.sleep(0.2)

    def _try_to_settle(self):
        try:
            self.settle()
            mark.ready()
        except OSError as error:
            paper.log("WARNING", f"cannot settle yet: {error}")
            time.sleep(0.15)

    def work(self):
        link = mark.link()
        self.publish = link.publish
        self.settle_first()
        link.serve("order", self.order, ledger=paper.remembered("orders"), recover=self.recover)
        self.watch()

    def settle_first(self):
        """Before any order is taken, those that were begun in an earlier life included."""
        while not self.settled:
            self._try_to_settle()

    def finish_order_in_hand(self):
        self.lock.acquire(timeout=LAST_WORDS_S)


def ask_exchange(question):
    return wire.ask(wire.port_of("EXCHANGE", 17100), question)


class Life:
    """TEEA of this process; made where the work begins, so that books that are lost end it with exit code 11."""

    teea = None

    def work(self):
        self.teea = Teea(paper.remembered("books"), ask_exchange)
        self.teea.work()

    def last_words(self):
        if self.teea is not None:
            self.teea.finish_order_in_hand()


if __name__ == "__main__":
    life = Life()
    paper.run(life.work, last_words=life.last_words)
