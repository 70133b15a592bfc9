"""kill9: the keeper is killed with -9 while two modules print 100 lines a second and two are silent; one
of these is killed at once, too. Two seconds later the keeper is started again as a user would. Who
lives, who runs twice, what is missing in the logs, and what the keeper says of the end that it did not
see."""
import os
import time

from lines import gaps
from peers.peer import Module
from processes import alive, descendants, exe_of, started_ticks, variables_of
from report import table
from session import Failure

PRINTING = ["prints1", "prints2"]
SILENT = ["silent1", "silent2"]
VICTIM = "silent2"
IDS = PRINTING + SILENT
COLUMNS = ("printing", "silent", "doubled", "same", "victim", "exit", "lost")
BEFORE_S = 3
AWAY_S = 2
AFTER_S = 6


def measure(session):
    return {"peers": session.together("kill9", session.judged(), one_life)}


def one_life(place):
    peer = place.peer
    place.start([Module(it, "lines:1000000000:100:0" if it in PRINTING else "wait") for it in IDS])
    time.sleep(BEFORE_S)
    if peer.comes_back:
        peer.command.wait()
    before = {it: (pids[0], started_ticks(pids[0])) for it, pids in instances(place).items() if pids}
    if len(before) < len(IDS):
        raise Failure(f"only {sorted(before)} ran. {peer.said()}")
    keepers = peer.roots()
    if not keepers:
        raise Failure("its keeper was not found")
    for pid in keepers:
        os.kill(pid, 9)
    if not peer.no_kill9:
        os.kill(before[VICTIM][0], 9)
    time.sleep(AWAY_S)
    lived = [it for it, (pid, ticks) in before.items() if started_ticks(pid) == ticks]
    was_back = bool(instances(place)[VICTIM])
    row = {"lived": [it for it in lived if it != VICTIM], "victim_back_before": was_back}
    if peer.no_kill9:
        return {**row, "not_comparable": peer.no_kill9}
    peer.again()
    time.sleep(AFTER_S)
    after = instances(place)
    if peer.comes_back and peer.command.poll() not in (0, None):
        row["again_failed"] = peer.said()[-300:]
    lost, torn = map(sum, zip(*(gaps(peer, it) for it in PRINTING)))
    told = peer.exits([VICTIM]).get(VICTIM)
    return {
        **row,
        "instances": {it: len(pids) for it, pids in after.items()},
        "same_process": [it for it in lived if before[it][0] in after[it]],
        "lines_lost": lost, "lines_torn": torn,
        "exit_told": "lost" if told is None else "right" if told == ("signal", 9) else "wrong",
    }


def instances(place):
    """{module id: pids that run now}: found by their environment, whoever their parent is now."""
    peer = place.peer
    found = {it: [] for it in IDS}
    for pid in descendants(os.getpid()):
        if exe_of(pid) != peer.kit.module or not alive(pid):
            continue
        variables = variables_of(pid)
        if variables.get("BENCH_FIFO") == peer.fifo and variables.get("BENCH_ID") in found:
            found[variables["BENCH_ID"]].append(pid)
    return found


def words(row):
    """What is said of a peer in the tables."""
    if "not_comparable" in row:
        return {"printing": "die", "silent": "die", "doubled": row["not_comparable"], "victim": "-",
                "lost": "-", "exit": "-", "same": "-"}
    printing = sum(it in row["lived"] for it in PRINTING)
    doubled = [it for it, number in row["instances"].items() if number > 1]
    missing = [it for it, number in row["instances"].items() if number == 0]
    return {
        "printing": "live" if printing == 2 else "die" if printing == 0 else "one dies",
        "silent": "live" if SILENT[0] in row["lived"] else "die",
        "doubled": f"{len(doubled)} of 4 run twice" if doubled
        else f"{len(missing)} of 4 missing" if missing else "each once",
        "victim": "before the keeper" if row["victim_back_before"]
        else "with the keeper" if row["instances"][VICTIM] else "not at all",
        "same": f"{len(row['same_process'])} of 3",
        "lost": row["lines_lost"], "exit": row["exit_told"],
    }


def show(result):
    said = {name: words(row) for name, row in result["peers"].items()}
    table("kill9: the keeper killed with -9, a silent module too, the keeper started again 2 s later",
          ["peer", "printing modules", "silent one", "then", "same process", "the killed one came back",
           "its exit", "lines lost"],
          [[name, *(it[word] for word in COLUMNS)] for name, it in said.items()])
