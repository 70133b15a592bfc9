"""What every Python module of the paper fleet shares: its log, its heartbeat and its ways to end.

A module is `run(work)`: `work` runs in a thread of its own while the main thread waits for the stop that
MARK asks for, so a stop is answered at once whatever the work is waiting for. Nothing needs tidying up: each
module may be killed at any instant.
"""

import os
import random
import sys
import threading
import time
import traceback

import durable
import logbook
import mark_sdk as mark

MODULE = os.environ.get("MARK_MODULE") or os.path.splitext(os.path.basename(sys.argv[0]))[0]
STATE_DIR = os.environ.get("MARK_STATE_DIR") or os.path.join(".paper", MODULE)
CRASH_CODES = [1, 3, 7, 42, 130, 137, 200, 255]


def state_path(name):
    os.makedirs(STATE_DIR, exist_ok=True)
    return os.path.join(STATE_DIR, name)


def remembered(name):
    """A map that survives kill -9, and never begins empty because something was lost."""
    return mark.PersistentMap(name, dir=os.path.dirname(state_path(name)))


def _own_log():
    """The file our standard output goes to, if a supervisor told us."""
    known = os.environ.get("MARK_LOG_DIR") and os.environ.get("MARK_MODULE")
    return os.path.join(os.environ["MARK_LOG_DIR"], MODULE + ".log") if known else None


log = logbook.Logbook(MODULE, _own_log(), state_path("seq")).write
_last_beat = 0.0


def beat(message, **facts):
    """Called from the loop that does the work, so that a stuck loop falls silent; said once a second."""
    global _last_beat
    if time.monotonic() - _last_beat >= 1:
        _last_beat = time.monotonic()
        log("INFO", "heartbeat " + message)
        mark.heartbeat(**facts)
        mark.status(message)


def halted():
    """The level of the halt order, or "". Read from the file each time: it must work with MARK dead."""
    return mark.halt_level() or ""


def die(code):
    """Ends by its own will; says so first: a supervisor's record of exits can be compared with the truth."""
    record = {"run_id": os.environ.get("MARK_RUN_ID"), "code": code, "at": logbook.now_text()}
    durable.append(state_path("deaths.jsonl"), record)
    mark.closing(code)
    os._exit(code)


def _record_start():
    with open("/proc/self/stat") as file:
        start = int(
            file.read().rpartition(")")[2].split()[19]
        )  # field 22: start time in clock ticks since boot
    run_id = os.environ.get("MARK_RUN_ID")
    record = {"run_id": run_id, "pid": os.getpid(), "start": start, "started": logbook.now_text()}
    durable.append(state_path("starts.jsonl"), record)


def _crash_drill(mean):
    time.sleep(random.expovariate(1 / mean))
    die(random.choice(CRASH_CODES))


def guarded(work):
    """For every thread that the module cannot do without: if it ends, so does the module."""
    try:
        work()
        log("ERROR", "the work ended, which it never should")
    except (durable.Corrupt, mark.StateLost) as damage:
        log("CRITICAL", f"will not go on: {damage}")
        die(mark.Exit.RECONCILE)
    except BaseException:
        traceback.print_exc()
    die(1)


def run(work, last_words=lambda: None):
    asked = threading.Event()
    mark.on_stop(asked.set)
    _record_start()
    log("INFO", f"started pid={os.getpid()} mode={os.environ.get('MODE', '-')}")
    if float(os.environ.get("PAPER_CRASH_EVERY") or 0):
        threading.Thread(
            target=_crash_drill, args=(float(os.environ["PAPER_CRASH_EVERY"]),), daemon=True
        ).start()
    threading.Thread(target=guarded, args=(work,), daemon=True).start()
    asked.wait()
    last_words()
    log("INFO", "stopped as asked")
    os._exit(0)
