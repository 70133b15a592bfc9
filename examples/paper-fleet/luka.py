"""LUKA, the collector: stores every candle in its own database, fills the gaps, and passes on what it has
stored.

`recent` answers with the last candles. GET /ping (LUKA_PING_PORT) says 200 while the collecting loop is
alive; with no data for a while it says so in the text but stays 200, for restarting LUKA does not bring VIDA
back.
"""

import collections
import http.server
import json
import queue
import sqlite3
import threading
import time

import mark_sdk as mark
import paper
import wire

KEEP = 10_000
REMEMBER = 500
LOG_EVERY = 10
STUCK_AFTER_S = 5


def _next(coming):
    """The next candle, or None if there is none for a while, so that the caller can beat."""
    try:
        return coming.get(timeout=0.5)
    except queue.Empty:
        return None


class Luka:
    def __init__(self):
        self.database = sqlite3.connect(paper.state_path("candles.db"), isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS candles (id INTEGER PRIMARY KEY, candle TEXT NOT NULL)"
        )
        rows = self.database.execute(
            "SELECT candle FROM candles ORDER BY id DESC LIMIT ?", (REMEMBER,)
        ).fetchall()
        self.recent = collections.deque((json.loads(text) for (text,) in reversed(rows)), maxlen=REMEMBER)
        self.last_loop = self.last_candle = time.monotonic()

    @property
    def last_index(self):
        return self.recent[-1]["index"] if self.recent else -1

    def answer_recent(self, count, _request):
        return list(self.recent)[-count:]

    def collect(self):
        link, coming = mark.link(), queue.Queue(maxsize=1000)
        link.serve("recent", self.answer_recent, ledger=paper.remembered("answers"))
        link.subscribe("candles/live", lambda candle, _topic: coming.put(candle))
        self._serve_ping()
        while True:
            self.last_loop = time.monotonic()
            candle = _next(coming)
            if candle is not None and candle["index"] > self.last_index:
                for whole in self._with_missing(candle):
                    self._store(whole)
                    link.publish("candles/stored", whole)
            age_s = time.monotonic() - self.last_candle
            feeds = {"vida": int((time.time() - age_s) * 1000)}
            paper.beat(f"last={self.last_index} data_age_s={age_s:.1f}", state="trading", feeds=feeds)

    def _with_missing(self, candle):
        """The candle and those before it that we lack; nothing if VIDA is away again: the next will try."""
        candles, first = [], max(self.last_index + 1, candle["index"] - KEEP)
        while first < candle["index"]:
            wanted = {"from": first, "to": candle["index"] - 1}
            try:
                candles += mark.link().request("vida", "candles", wanted, timeout=2)
                first = candles[-1]["index"] + 1
            except (mark.RequestRefused, mark.RequestUnknown, IndexError):
                return []
        if candles:
            paper.log("WARNING", f"filled a gap of {len(candles)} candles before {candle['index']}")
        return [*candles, candle]

    def _store(self, candle):
        index = candle["index"]
        self.database.execute("INSERT OR IGNORE INTO candles VALUES (?, ?)", (index, json.dumps(candle)))
        self.recent.append(candle)
        self.last_candle = time.monotonic()
        if index % LOG_EVERY == 0:
            paper.log("INFO", f"stored candle {index}")
        if index % 1000 == 0:
            self.database.execute("DELETE FROM candles WHERE id < ?", (index - KEEP,))

    def _serve_ping(self):
        luka = self

        class Ping(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                stuck = time.monotonic() - luka.last_loop > STUCK_AFTER_S
                age = time.monotonic() - luka.last_candle
                self.send_response(404 if self.path != "/ping" else 503 if stuck else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"data_age_s": round(age, 1)}).encode() + b"\n")

            def log_message(self, *_):
                pass  # probes are no news

        address = (wire.HOST, wire.port_of("LUKA_PING", 17112))
        pings = wire.patiently(lambda: http.server.ThreadingHTTPServer(address, Ping))
        threading.Thread(target=pings.serve_forever, daemon=True).start()


if __name__ == "__main__":
    paper.run(lambda: Luka().collect())
