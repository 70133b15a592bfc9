"""exits: modules that exit with every code from 0 to 255 and modules that die by each of 20 signals, at
their first instruction. What the keeper's own tool, status or log says of each: right, lost or wrong."""
import signal
import time

from peers.peer import Module
from report import table
from session import Failure

CODES = range(256)
SIGNALS = ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU XFSZ VTALRM PROF "
           "SYS").split()
QUICK_CODES = 40
SETTLE_S = 5
LIMIT_S = 120


def measure(session):
    codes = list(CODES)
    if session.options.quick:
        codes = sorted({0, 1, 127, 128, 137, 143, 255, *session.random.sample(codes, QUICK_CODES - 7)})
    wanted = {f"c{code}": ("code", code) for code in codes}
    wanted.update({f"s{name.lower()}": ("signal", int(signal.Signals[f"SIG{name}"])) for name in SIGNALS})
    # MARK reads 78 as "wrong configuration" and so on; how it ends is told all the same.
    modules = [Module(it, f"{'exit' if kind == 'code' else 'signal'}:{number}", again=False)
               for it, (kind, number) in wanted.items()]
    rows = session.together("exits", session.judged(), lambda place: one_life(place, modules, wanted))
    return {"codes": len(codes), "signals": len(SIGNALS), "peers": rows}


def one_life(place, modules, wanted):
    peer = place.peer
    peer.up(modules)
    # `mark up` and others fail, rightly, when modules end at once: only their starts count.
    found = place.records.starts(list(wanted), LIMIT_S)
    if len(found) < len(wanted):
        raise Failure(f"{len(found)} of {len(wanted)} modules started. {peer.said()}")
    time.sleep(SETTLE_S)
    if peer.comes_back:
        peer.command.wait()
    hooked = peer.hooked_exits(list(wanted))
    return {
        "told": judge(peer.exits(list(wanted)), wanted),
        "hooked": None if hooked is None else judge(hooked, wanted),
    }


def judge(told, wanted):
    lost = [it for it in wanted if it not in told]
    wrong = [it for it in wanted if it in told and told[it] != wanted[it]]
    return {"right": len(wanted) - len(lost) - len(wrong), "lost": len(lost), "wrong": len(wrong),
            "examples": {it: told.get(it) for it in (wrong or lost)[:5]}}


def show(result):
    rows = []
    for name, row in result["peers"].items():
        told, hooked = row["told"], row["hooked"]
        by_hook = "" if hooked is None else f"{hooked['right']} right"
        rows.append([name, told["right"], told["lost"], told["wrong"], by_hook])
    table(f"exits: {result['codes']} codes and {result['signals']} signals, as the keeper's own tool or log "
          "tells them",
          ["peer", "right", "lost", "wrong", "by a ./finish script of one's own"], rows)
