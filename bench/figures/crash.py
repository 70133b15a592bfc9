"""crash: SIGKILL of a module -> first instruction of its next instance, restart delay as low as each peer
has it."""
import os
import time

from kit import say
from peers.peer import Module
from report import percentile, ratios, table
from session import FAULTS

LIMIT_S = 30
SETTLE_S = 4
NS_PER_MS = 1e6


def measure(session):
    options = session.options
    ids = [f"m{i}" for i in range(options.crash_modules)]
    places, born = {}, {}
    try:
        for name in session.in_turn():
            places[name] = session.place(name)
            try:
                born[name] = places[name].start([Module(it) for it in ids])
            except FAULTS as failure:
                session.fails(name, "crash", failure)
        time.sleep(SETTLE_S)
        samples = kill_in_turn(session, places, born)
    finally:
        for place in places.values():
            place.leave()
        session.clean(places.values())
    return {"age_s": options.age, "modules": options.crash_modules, "samples_ms": samples,
            "peers": {name: summary(samples[name]) for name in session.names if samples.get(name)}}


def kill_in_turn(session, places, born):
    options = session.options
    samples = {name: [] for name in born}
    for turn in range(options.samples):
        module = f"m{turn % options.crash_modules}"
        for name in session.in_turn(samples):
            took = kill_once(places[name], born[name], module, session)
            if took is None:
                session.fails(name, "crash", f"{module} was not started again within {LIMIT_S} s")
                samples.pop(name)
            else:
                samples[name].append(took)
        if (turn + 1) % 20 == 0:
            say(f"crash: {turn + 1} of {options.samples}")
    return samples


def kill_once(place, born, module, session):
    """Milliseconds, or None when no next instance came."""
    pid, first_ns = born[module]
    pid = place.peer.host_pid(pid)
    # A little chance, so that no timer of a peer is always met at the same moment.
    age_left_s = session.options.age - (time.monotonic_ns() - first_ns) / 1e9
    time.sleep(max(0.1, age_left_s) + session.random.random() * 0.05)
    place.records.clear()
    killed_ns = time.monotonic_ns()
    os.kill(pid, 9)
    found = place.records.starts([module], LIMIT_S)
    if not found:
        return None
    born[module] = found[module]
    return (found[module][1] - killed_ns) / NS_PER_MS


def summary(values):
    return {"n": len(values), "p50_ms": percentile(values, 50), "p95_ms": percentile(values, 95),
            "p99_ms": percentile(values, 99), "max_ms": max(values)}


def show(result):
    peers = result["peers"]
    p50 = {name: row["p50_ms"] for name, row in peers.items()}
    p99 = {name: row["p99_ms"] for name, row in peers.items()}
    rows = [[name, *row.values(), *ratios(p50, name), *ratios(p99, name)] for name, row in peers.items()]
    table("crash: kill -9 -> first instruction of the next instance "
          f"(modules older than {result['age_s']:g} s, {result['modules']} a peer)",
          ["peer", "n", "p50 ms", "p95", "p99", "max", "p50/raw", "p50/pm2", "p99/raw", "p99/pm2"], rows)
