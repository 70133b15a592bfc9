"""orphans: a module with three processes that ignore SIGTERM: a child, a child in a session of its own,
and a double-forked one in a session of its own without environment and under another name. Which are
left after the module crashed and after it was stopped, and how long that took. The grace is 2 s
wherever it can be set."""
import os
import time

from peers.peer import GRACE_S, Module
from processes import started_ticks
from report import table
from session import Failure

KINDS = {1: "child", 2: "own session", 3: "double-forked"}
SETTLE_S = 2
CRASH_LIMIT_S = GRACE_S + 5
STOP_LIMIT_S = 1
LOOK_S = 0.02


def measure(session):
    return {"grace_s": GRACE_S, "peers": session.together("orphans", session.judged(), one_life)}


def one_life(place):
    found = place.start([Module("m0", "family")])
    family = family_of(place)
    time.sleep(SETTLE_S)
    killed = time.monotonic()
    os.kill(place.peer.host_pid(found["m0"][0]), 9)
    again = place.records.starts(["m0"], 30)
    crash = left_after(family, CRASH_LIMIT_S, killed)
    if not again:
        raise Failure("the module was not started again after its crash")
    family = family_of(place)
    time.sleep(SETTLE_S)
    asked = time.monotonic()
    place.peer.stop()
    returned_s = time.monotonic() - asked
    stop = left_after(family, STOP_LIMIT_S, asked)
    return {"crash": crash, "stop": {**stop, "command_s": returned_s}}


def family_of(place):
    """{which: (pid, its start)} as the harness sees them."""
    told = place.records.take("G", len(KINDS), 10)
    if len(told) < len(KINDS):
        raise Failure(f"{len(told)} of {len(KINDS)} of the family told who they are")
    pids = {which: place.peer.host_pid(pid) for _, _, pid, which in told}
    return {which: (pid, started_ticks(pid) if pid else None) for which, pid in pids.items()}


def left_after(family, limit_s, since):
    """Who is left after that time, and when the last of those who went was gone."""
    deadline = time.monotonic() + limit_s
    left, last_s = None, 0
    while left != [] and time.monotonic() < deadline:
        now = [KINDS[it] for it, (pid, born) in sorted(family.items())
               if born is not None and started_ticks(pid) == born]
        if now != left:
            left, last_s = now, time.monotonic() - since
        time.sleep(LOOK_S)
    return {"left": left, "last_gone_s": last_s}


def words(part):
    if not part["left"]:
        return f"none, {part['last_gone_s']:.1f} s"
    return f"{len(part['left'])} of 3: {', '.join(part['left'])}"


def show(result):
    table("orphans: who is left of three that ignore SIGTERM, and when the last was gone "
          f"(grace {result['grace_s']} s)",
          ["peer", "after a crash", "after a stop", "stop command back s"],
          [[name, words(row["crash"]), words(row["stop"]), row["stop"]["command_s"]]
           for name, row in result["peers"].items()])
