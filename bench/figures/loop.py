"""loop: how long MARK's keeper leaves a caller waiting while it boots a fleet: pings over keeper.sock, one
a millisecond from the moment it listens, beside the same of the booted keeper. Peers have nothing of
the kind."""
import json
import os
import subprocess
import sys

from peers.mark import Mark
from peers.peer import Module
from report import percentile, table
from session import FAULTS, START_LIMIT_S, Failure

PROBE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "probe.py")
QUIET_S = 3


def measure(session):
    size = max(session.options.sizes)
    rows = {}
    for name in session.in_turn(it for it in session.names if issubclass(session.kind(it), Mark)):
        place = session.place(name)
        try:
            rows[name] = one_life(place, [Module(f"m{i}") for i in range(size)])
        except FAULTS as failure:
            session.fails(name, "loop", failure)
        finally:
            place.leave()
            session.clean([place])
    return {"modules": size, "peers": {name: rows[name] for name in session.names if name in rows}}


def one_life(place, modules):
    booting = Probe(place.peer.socket())
    try:
        since_ns = place.start(modules)
        last_ns = max(first_ns for _, first_ns in since_ns.values())
        place.peer.command.wait(START_LIMIT_S)
        samples = booting.end()
    finally:
        booting.kill()
    # Until the last module's first instruction: afterwards nothing is started any more.
    boot = [took for at, took in samples if at <= last_ns]
    quiet = Probe(place.peer.socket())
    try:
        unloaded = [took for _, took in quiet.end(after_s=QUIET_S)]
    finally:
        quiet.kill()
    if len(boot) < 10 or len(unloaded) < 100:
        raise Failure(f"only {len(boot)} and {len(unloaded)} pings were answered")
    return {"booting": summary(boot), "unloaded": summary(unloaded)}


class Probe:
    def __init__(self, socket_path):
        argv = [sys.executable, "-B", PROBE, socket_path]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self, after_s=0):
        """[(ns when asked, ms until answered)]."""
        try:
            self.process.wait(after_s or 0.01)
        except subprocess.TimeoutExpired:
            pass
        return json.loads(self.process.communicate(timeout=30)[0])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def summary(values):
    p50_ms, p99_ms = percentile(values, 50), percentile(values, 99)
    return {"n": len(values), "p50_ms": p50_ms, "p99_ms": p99_ms, "max_ms": max(values)}


def show(result):
    rows = []
    for name, row in result["peers"].items():
        booting, unloaded = row["booting"], row["unloaded"]
        rows.append([name, booting["n"], *(booting[it] for it in ("p50_ms", "p99_ms", "max_ms")),
                     *(unloaded[it] for it in ("p50_ms", "p99_ms")),
                     max(0, booting["p99_ms"] - unloaded["p50_ms"])])
    table(f"loop: answers to a ping a millisecond while {result['modules']} modules boot",
          ["peer", "pings", "p50 ms", "p99", "max", "booted: p50", "p99", "p99 above that p50"], rows)
