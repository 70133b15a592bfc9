#!/usr/bin/env python3
"""The independent checker: recomputes every cent and satoshi from the exchange's ledger, in its own words (it
shares no code with the fleet), and compares the result with what the exchange and TEEA believe. What the jobs
left on the shelves must be what it says it is.

    python3 verify.py [STATE_DIR] [--settled] [--json]

STATE_DIR holds exchange/, teea/ and shelf/ (default .mark/state here). The fleet may run meanwhile: TEEA
notes an order as pending before it sends it, so a fill that TEEA does not know yet must be one of those.
After a quiet stop, with --settled, there must be none. Exit code 0 if all is well, 1 if not.
"""

import argparse
import json
import os
import sqlite3
import time

from verify_books import Wrong, demand, read, teea_state
from verify_shelf import check_shelves

SATS_PER_BTC = 100_000_000
FEE_BPS = 10


def entries_of(data):
    """The whole lines of the ledger; half a line at the end was never answered and does not count."""
    entries = [json.loads(line) for line in data.split(b"\n")[:-1]]
    demand(entries and entries[0]["kind"] == "open", "the ledger does not begin with the opening balances")
    numbers = [entry["seq"] for entry in entries]
    demand(numbers == list(range(1, len(entries) + 1)), "the ledger has gaps or doubles")
    return entries


def effect(fill):
    """What a fill does to (cash, btc)."""
    exact = fill["sats"] * fill["price_cents"]
    up, down = (exact + SATS_PER_BTC - 1) // SATS_PER_BTC, exact // SATS_PER_BTC
    buys = {"buy": True, "sell": False}[fill["side"]]
    demand(fill["cost_cents"] == (up if buys else down), f"line {fill['seq']}: wrong cost")
    fee = (fill["cost_cents"] * FEE_BPS + 9999) // 10000
    demand(fill["fee_cents"] == fee, f"line {fill['seq']}: wrong fee")
    cost, sats = (-fill["cost_cents"], fill["sats"]) if buys else (fill["cost_cents"], -fill["sats"])
    return cost - fill["fee_cents"], sats


def check_ledger(entries):
    """Start + fills - fees must be what the exchange itself noted, line by line. Returns (cash, btc)."""
    cash, btc = entries[0]["cash_cents"], entries[0]["btc_sats"]
    decided = set()
    for entry in entries[1:]:
        demand(entry["client_order_id"] not in decided, f"{entry['client_order_id']} was decided twice")
        decided.add(entry["client_order_id"])
        if entry["kind"] == "fill":
            cash_change, btc_change = effect(entry)
            cash, btc = cash + cash_change, btc + btc_change
        noted = (entry["cash_cents"], entry["btc_sats"])
        demand((cash, btc) == noted, f"line {entry['seq']}: {(cash, btc)} recomputed, {noted} noted")
    return cash, btc


def check_teea(state, fills, cash, btc):
    """TEEA plus the fills it does not know yet must be the exchange. Returns how many are in flight."""
    unknown = [fill for fill in fills if fill["seq"] > state["fill_seq"]]
    for fill in unknown:
        demand(fill["client_order_id"] in state["pending"], f"TEEA never knew of {fill['client_order_id']}")
    demand(state["fills"] + len(unknown) == len(fills), f"TEEA booked {state['fills']} fills of {len(fills)}")
    effects = [effect(fill) for fill in unknown]
    reconciled = (
        state["cash_cents"] + sum(c for c, _ in effects),
        state["btc_sats"] + sum(b for _, b in effects),
    )
    demand(reconciled == (cash, btc), f"TEEA has {reconciled}, the exchange {(cash, btc)} (cents, satoshis)")
    return len(state["pending"])


def one_moment(directory, tries=100):
    """Both as they were together: TEEA must be the same before and after the ledger was read."""
    for _ in range(tries):
        before = teea_state(directory)
        ledger = read(directory, "exchange", "ledger.jsonl")
        if teea_state(directory) == before:
            return before, ledger
        time.sleep(0.02)
    raise Wrong("TEEA never held still")


def verify(directory, settled):
    result = {"ok": False, "fills": 0, "in_flight": 0, "cash_cents": None, "btc_sats": None, "reason": ""}
    result["shelves"] = 0
    try:
        teea, ledger = one_moment(directory)
        entries = entries_of(ledger)
        fills = [entry for entry in entries if entry["kind"] == "fill"]
        result["fills"] = len(fills)
        result["cash_cents"], result["btc_sats"] = cash, btc = check_ledger(entries)
        demand(teea or not fills, "there are fills, but TEEA has no state")
        result["in_flight"] = check_teea(teea, fills, cash, btc) if teea else 0
        demand(not (settled and result["in_flight"]), f"{result['in_flight']} orders are not settled")
        result["shelves"] = check_shelves(directory)
        result["ok"] = True
    except (Wrong, ValueError, LookupError, TypeError, sqlite3.Error) as error:
        result["reason"] = str(error)
    return result


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="checks the books of the paper fleet")
    parser.add_argument("state_dir", nargs="?", default=os.path.join(here, ".mark", "state"))
    parser.add_argument("--settled", action="store_true", help="no order may be in flight")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = verify(options.state_dir, options.settled)
    if options.json:
        print(json.dumps(result))
    else:
        for name in ("fills", "in_flight", "cash_cents", "btc_sats", "shelves"):
            print(name, result[name])
        print("OK" if result["ok"] else f"FAIL {result['reason']}")
    raise SystemExit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
