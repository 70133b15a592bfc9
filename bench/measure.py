"""The two measurements. Peers take turns in random order, so that other work on the machine meets all alike;
judge by ratios within one run. A peer that fails is told and left out of the rest, never averaged over."""
import os
import random
import shutil
import threading
import time

import peers
from kit import say
from processes import cpu_ns, end_everything, memory_kb, pidfds, role_of, wait_gone
from starts import Starts

START_LIMIT_S = 120
CRASH_LIMIT_S = 30
SETTLE_S = 4
NS_PER_MS = 1e6


class Failure(Exception):
    pass


class Place:
    """A peer's own directory and FIFO, for one life of it."""

    def __init__(self, kit, scratch, name, number):
        self.dir = os.path.join(scratch, f"{number}-{name}")
        self.starts = Starts(f"{self.dir}.fifo")
        self.peer = peers.make(kit, name, self.dir, self.starts.path)

    def start(self, modules):
        self.peer.up(modules)
        found = self.starts.wait(modules, START_LIMIT_S)
        if len(found) < len(modules):
            raise Failure(f"{len(found)} of {len(modules)} modules started. {self.peer.said()}")
        return found

    def leave(self):
        try:
            self.peer.down()
        finally:
            if self.peer.command and self.peer.command.poll() is None:
                self.peer.command.kill()
                self.peer.command.wait()
            self.starts.close()


def crash(kit, scratch, names, options):
    """{peer: [ms, ...]}: SIGKILL of a module -> first instruction of its next instance."""
    modules = [f"m{i}" for i in range(options.crash_modules)]
    places, born = {}, {}
    failed = {}
    try:
        for number, name in enumerate(names):
            places[name] = Place(kit, scratch, name, f"crash{number}")
            try:
                born[name] = places[name].start(modules)
            except Failure as failure:
                failed[name] = str(failure)
        time.sleep(SETTLE_S)
        samples = kill_in_turn(places, born, options, failed)
    finally:
        for place in places.values():
            place.leave()
        end_everything()
    return samples, failed


def kill_in_turn(places, born, options, failed):
    samples = {name: [] for name in born}
    for turn in range(options.samples):
        module = f"m{turn % options.crash_modules}"
        for name in random.sample(list(samples), len(samples)):
            took = kill_once(places[name].starts, born[name], module, options.age)
            if took is None:
                failed[name] = f"{module} was not started again within {CRASH_LIMIT_S} s"
                samples.pop(name)
            else:
                samples[name].append(took)
        if (turn + 1) % 50 == 0:
            say(f"crash: {turn + 1} of {options.samples}")
    return samples


def kill_once(starts, born, module, age_s):
    """Milliseconds, or None when no next instance came."""
    pid, first_ns = born[module]
    # A little chance, so that no timer of a peer is always met at the same moment.
    age_left_s = age_s - (time.monotonic_ns() - first_ns) / 1e9
    time.sleep(max(0.1, age_left_s) + random.random() * 0.05)
    starts.clear()
    killed_ns = time.monotonic_ns()
    os.kill(pid, 9)
    found = starts.wait([module], CRASH_LIMIT_S)
    if not found:
        return None
    born[module] = found[module]
    return (found[module][1] - killed_ns) / NS_PER_MS


def fleet(kit, scratch, names, options):
    """{peer: {size: [row, ...]}}: boot, memory, idle CPU and stop, `reps` times for each size."""
    rows = {name: {} for name in names}
    failed = {}
    number = 0
    for repetition in range(options.reps):
        for size in (0, options.modules):
            for name in random.sample(names, len(names)):
                number += 1
                if name in failed or (size == 0 and repetition > 0):
                    continue
                place = Place(kit, scratch, name, f"fleet{number}")
                idle_s = options.idle if repetition == 0 else 0
                try:
                    row = one_life(place, size, idle_s)
                    rows[name].setdefault(str(size), []).append(row)
                    say(f"fleet: {name} with {size}, {repetition + 1} of {options.reps}")
                except Failure as failure:
                    failed[name] = str(failure)
                finally:
                    place.leave()
                    end_everything()
                    shutil.rmtree(place.dir, ignore_errors=True)
    return rows, failed


def one_life(place, size, idle_s):
    modules = [f"m{i}" for i in range(size)]
    peer = place.peer
    row = boot(place, modules) if modules else {}
    if not modules:
        peer.idle()
        if peer.name != "raw":
            peer.command.wait()
    time.sleep(SETTLE_S)
    own = peer.own()
    if idle_s:
        before, began = cpu_ns(own), time.monotonic()
        time.sleep(idle_s)
        row["idle_cpu_percent"] = (cpu_ns(own) - before) / 1e7 / (time.monotonic() - began)
    row.update(footprint(own))
    if modules:
        row.update(stop(peer, size))
    return row


def footprint(own):
    row = {"processes": 0, "pss_mb": 0.0, "private_mb": 0.0, "pss_by_role_mb": {}}
    for pid in own:
        role, sizes = role_of(pid), memory_kb(pid)
        if sizes is None:
            continue
        pss_mb, private_mb = (kb / 1024 for kb in sizes)
        row["processes"] += 1
        row["pss_mb"] += pss_mb
        row["private_mb"] += private_mb
        row["pss_by_role_mb"][role] = round(row["pss_by_role_mb"].get(role, 0) + pss_mb, 2)
    return row


def boot(place, modules):
    """From the exec of the command to the last module's first instruction, and to the command's return."""
    found = place.start(modules)
    since = place.peer.command_start_ns
    firsts = [first_ns for _, first_ns in found.values()]
    row = {"first_ms": (min(firsts) - since) / NS_PER_MS, "boot_ms": (max(firsts) - since) / NS_PER_MS}
    if place.peer.name != "raw":
        if place.peer.command.wait() != 0:
            raise Failure(f"its command ended with {place.peer.command.returncode}. {place.peer.said()}")
        row["up_returns_ms"] = (time.monotonic_ns() - since) / NS_PER_MS
    return row


def stop(peer, size):
    """From the exec of the stop command to the end of the last module."""
    running = peer.modules()
    if len(running) != size:
        raise Failure(f"{len(running)} of {size} modules ran when they were to be stopped")
    fds = pidfds(running)
    returned = []
    asked_ns = time.monotonic_ns()
    asking = threading.Thread(target=lambda: (peer.stop(), returned.append(time.monotonic_ns())))
    asking.start()
    gone_ns, left = wait_gone(fds)
    asking.join()
    if left or not returned:
        raise Failure(f"{len(left)} of {size} modules did not end")
    return {
        "stop_ms": (gone_ns - asked_ns) / NS_PER_MS,
        "stop_returns_ms": (returned[0] - asked_ns) / NS_PER_MS,
    }
