"""How the modules talk: one JSON object a line over TCP on loopback, as questions with an answer or as a
feed.

Whoever listens may die at any time, so whoever connects tries again for ever, a few times a second, and a
feed that falls silent is taken for dead: its publisher says {"idle": true} each second when it has nothing
else to say.
"""

import json
import os
import queue
import socket
import socketserver
import threading
import time

HOST = os.environ.get("PAPER_HOST", "127.0.0.1")
LINE_LIMIT = 65536
MAX_DELAY_S = 0.25


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


def subscribe(port):
    """Yields each message of a feed for ever, and None whenever there is nothing, so the caller can beat."""
    delay = 0.05
    while True:
        try:
            with _connect(port, 3) as sock, sock.makefile("rb") as lines:
                sock.sendall(b'{"op": "subscribe"}\n')
                for line in lines:
                    message = json.loads(line)
                    delay = 0.05
                    yield None if "idle" in message else message
        except (OSError, ValueError):
            pass  # gone, silent, or killed in mid-line: the same to us
        yield None
        time.sleep(delay)
        delay = min(MAX_DELAY_S, delay * 2)


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


def no_questions(question):
    return {"error": "not a question I know"}


def serve(port, answer=no_questions):
    return patiently(lambda: Server(port, answer))


class Server(socketserver.ThreadingTCPServer):
    """Answers questions with `answer(question)` and copies what is published to every subscriber."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, answer):
        self.answer = answer
        self.subscribers = set()
        super().__init__((HOST, port), _Conversation)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def publish(self, message):
        for subscriber in list(self.subscribers):
            try:
                subscriber.put_nowait(message)
            except queue.Full:
                self.subscribers.discard(subscriber)  # too slow: it will reconnect and ask for what it missed


class _Conversation(socketserver.StreamRequestHandler):
    timeout = 60
    disable_nagle_algorithm = True

    def handle(self):
        try:
            for line in iter(lambda: self.rfile.readline(LINE_LIMIT), b""):
                question = json.loads(line)
                if question["op"] == "subscribe":
                    return self._feed()
                self._say(self._answer(question))
        except (OSError, LookupError, TypeError, ValueError):
            pass  # the other side went away or talks nonsense: close, it may come back

    def _answer(self, question):
        try:
            return self.server.answer(question)
        except (OSError, LookupError, TypeError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _say(self, message):
        self.wfile.write(json.dumps(message).encode() + b"\n")

    def _feed(self):
        messages = queue.Queue(maxsize=1000)
        self.server.subscribers.add(messages)
        try:
            while messages in self.server.subscribers:
                try:
                    self._say(messages.get(timeout=1))
                except queue.Empty:
                    self._say({"idle": True})
        finally:
            self.server.subscribers.discard(messages)
