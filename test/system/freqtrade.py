"""Behaves as `freqtrade trade` does where MARK looks: configuration, sd_notify, REST, log, signals.

What it is told to do stands in files of its directory: `fatal` makes it STOPPED as an OperationalException
does, `hang` lets it ignore every signal, `crash` ends it with a traceback. Standard library only.
"""
import http.server
import json
import os
import re
import signal
import socket
import sys
import threading
import time

with open(sys.argv[sys.argv.index("-c") + 1]) as file:
    config = json.loads(re.sub(r"//[^\n]*", "", file.read()))
if os.environ.get("FREQTRADE__DRY_RUN") == "true":
    config["dry_run"] = True
api, internals = config.get("api_server", {}), config.get("internals", {})


def log(name, text):
    print(time.strftime("%Y-%m-%d %H:%M:%S") + ",000 - %s - INFO - %s" % (name, text), flush=True)


def notify(text):
    if internals.get("sd_notify"):
        path = os.environ["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.sendto(text.encode(), "\0" + path[1:] if path[0] == "@" else path)


class Rest(http.server.BaseHTTPRequestHandler):
    """Only ping answers without a password."""

    def do_GET(self):
        known = self.path == "/api/v1/ping"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"status":"pong"}' if known else b"")

    def log_message(self, *_):
        pass


def end(*_):
    if not os.path.exists("hang"):
        raise KeyboardInterrupt


signal.signal(signal.SIGTERM, end)
log("freqtrade.worker", "Starting worker 2026.9")
log("freqtrade", "dry_run=%s" % config["dry_run"])
if api.get("enabled"):
    server = http.server.ThreadingHTTPServer((api["listen_ip_address"], api["listen_port"]), Rest)
    threading.Thread(target=server.serve_forever, daemon=True).start()
notify("READY=1")
before, state = None, "RUNNING"
try:
    while True:
        if os.path.exists("crash"):
            raise RuntimeError("binance GET /exchangeInfo")
        if os.path.exists("fatal"):
            state = "STOPPED"
        if state != before:
            log("freqtrade.worker", "Changing state%s to: %s" % (" from " + before if before else "", state))
            before = state
        notify("WATCHDOG=1\nSTATUS=State: %s." % state)
        time.sleep(0.1)
except KeyboardInterrupt:
    notify("STOPPING=1")
    log("freqtrade", "SIGINT received, aborting ...")
