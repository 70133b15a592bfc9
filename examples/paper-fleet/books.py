"""TEEA's books: cash, position, and each order of which it is not known what it did. On the disk before
anybody is told, and whole after any kill.
"""

PENDING = "pending/"


def after(account, fill):
    """The account once the fill is booked."""
    sign = 1 if fill["side"] == "buy" else -1
    return {
        "cash_cents": account["cash_cents"] - sign * fill["cost_cents"] - fill["fee_cents"],
        "btc_sats": account["btc_sats"] + sign * fill["sats"],
        "fill_seq": fill["seq"],
        "fills": account["fills"] + 1,
    }


class Books:
    """Kept in a PersistentMap: `account`, and one entry `pending/<id>` an open order."""

    def __init__(self, kept):
        self.kept = kept

    @property
    def account(self):
        """None before the first day."""
        return self.kept.get("account")

    @property
    def pending(self):
        return [key[len(PENDING) :] for key in self.kept if key.startswith(PENDING)]

    def open(self, opening):
        money = {name: opening[name] for name in ("cash_cents", "btc_sats")}
        self.kept.set("account", {**money, "fill_seq": 0, "fills": 0}, durable=True)

    def begin(self, order_id, order):
        self.kept.set(PENDING + order_id, order, durable=True)

    def close(self, order_ids, account):
        """These orders are over, and this is what they left: both, or neither."""
        with self.kept.transaction(durable=True) as changes:
            changes["account"] = account
            for order_id in order_ids:
                del changes[PENDING + order_id]
