"""How the exchange is spoken to, which knows nothing of MARK: one JSON object a line over TCP on loopback, a
question and its answer. Among themselves the modules talk over MARK's link.
"""

import json
import os
import socket
import socketserver
import threading
import time

HOST = os.environ.get("PAPER_HOST", "127.0.0.1")
LINE_LIMIT = 65536


def port_of(module, default):
    return int(os.environ.get(module + "_PORT") or default)


def _connect(port, timeout):
    sock = socket.create_connection((HOST, port), timeout)
    if sock.getsockname() == sock.getpeername():
        # With nobody listening the kernel may pick the very port as our own and connect us to ourselves.
        sock.close()
        raise ConnectionError("connected to itself")
    return sock


def ask(port, question, timeout=2.0):
    """One question, one answer. OSError when there is none: the question may or may not have been heard."""
    with _connect(port, timeout) as sock:
        sock.sendall(json.dumps(question).encode() + b"\n")
        with sock.makefile("rb") as lines:
            try:
                answer = json.loads(lines.readline())
            except ValueError:
                raise ConnectionError("the answer was cut off") from None
    if "error" in answer:
        raise ConnectionError(answer["error"])
    return answer


def patiently(listen, patience=5.0):
    """An outgoing connection of anybody may hold our port for a moment: try again before giving up."""
    give_up = time.monotonic() + patience
    while True:
        try:
            return listen()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def serve(port, answer):
    return patiently(lambda: Server(port, answer))


class Server(socketserver.ThreadingTCPServer):
    """Answers questions with `answer(question)`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, answer):
        self.answer = answer
        super().__init__((HOST, port), _Conversation)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Conversation(socketserver.StreamRequestHandler):
    timeout = 60
    disable_nagle_algorithm = True

    def handle(self):
        try:
            for line in iter(lambda: self.rfile.readline(LINE_LIMIT), b""):
                answer = self._answer(json.loads(line))
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except (OSError, LookupError, TypeError, ValueError):
            pass  # the other side went away or talks nonsense: close, it may come back

    def _answer(self, question):
        try:
            return self.server.answer(question)
        except (OSError, LookupError, TypeError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}
