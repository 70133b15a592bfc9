"""log: one 100-byte write(2) for each line, flat out. What the module itself takes for it, beside a plain
file; CPU of the keeper with all its children; lines lost, doubled or torn in all files together."""
import statistics
import time

from kit import say
from lines import count, size_of
from peers.peer import Module
from processes import cpu_ns, is_niced
from report import ratios, table
from session import FAULTS, Failure

LINES_PER_MB = 10_000
LIMIT_S = 900
QUIET_S = 2
COMPRESSED_WITHIN_S = 90
LOOK_S = 0.1
# journald takes 100 times longer than the others.
LESS_MB = {"systemd": 10}
FIGURES = ("mb", "module_s_per_gb", "drain_s", "cpu_s_per_gb", "niced_cpu_s_per_gb", "cpu_all_s_per_gb",
           "lines", "lost", "doubled", "torn", "files", "uncompressed")


def measure(session):
    rows = {name: [] for name in session.names}
    for repetition in range(session.options.reps):
        for name in session.in_turn(rows):
            place = session.place(name)
            mb = min(session.options.mb, LESS_MB.get(name, session.options.mb))
            try:
                rows[name].append(one_log(place, mb, session.options.delay))
            except FAULTS as failure:
                session.fails(name, "log", failure)
                rows.pop(name)
            finally:
                place.leave()
                session.clean([place])
        say(f"log: {repetition + 1} of {session.options.reps}")
    return {"mb": session.options.mb, "rows": rows, "peers": {
        name: {figure: statistics.median(row[figure] for row in rows[name]) for figure in FIGURES}
        for name in session.names if rows.get(name)
    }}


class Cpu:
    """CPU of a keeper and all its children since it was made; `niced_ns`: the part of those at low
    priority (they compress), by looking at them every LOOK_S, so a little less than the truth."""

    def __init__(self, peer):
        self.peer = peer
        self.begin_ns = cpu_ns(peer.own())
        self.niced = {}

    def total_ns(self):
        return cpu_ns(self.peer.own()) - self.begin_ns

    def look(self):
        for pid in self.peer.own():
            if is_niced(pid):
                self.niced[pid] = max(self.niced.get(pid, 0), cpu_ns([pid]))

    @property
    def niced_ns(self):
        return sum(self.niced.values())


def one_log(place, mb, delay_s):
    peer, total = place.peer, mb * LINES_PER_MB
    place.start([Module("m0", f"lines:{total}:0:{delay_s * 1000:.0f}")])
    # What a keeper and its helpers use for their own start is not the log's.
    time.sleep(delay_s - 0.5)
    cpu = Cpu(peer)
    deadline = time.monotonic() + LIMIT_S
    while not (ended := place.records.take("E", 1, LOOK_S)):
        cpu.look()
        if time.monotonic() > deadline:
            raise Failure(f"the module did not print {mb} MB within {LIMIT_S} s. {peer.said()}")
    took_s = ended[0][3] / 1e9
    drain_s = wait_quiet(peer, cpu)
    at_quiet_ns, niced_ns = cpu.total_ns(), cpu.niced_ns
    settled_by = time.monotonic() + COMPRESSED_WITHIN_S
    while not peer.logs_settled("m0") and time.monotonic() < settled_by:
        cpu.look()
        time.sleep(LOOK_S)
    gb = mb / 1000
    return {
        "mb": mb, "module_s_per_gb": took_s / gb, "drain_s": drain_s,
        "cpu_s_per_gb": at_quiet_ns / 1e9 / gb, "niced_cpu_s_per_gb": niced_ns / 1e9 / gb,
        "cpu_all_s_per_gb": cpu.total_ns() / 1e9 / gb, "files": len(peer.logs("m0")),
        "uncompressed": 0 if peer.logs_settled("m0") else 1, **count(peer, "m0", total),
    }


def wait_quiet(peer, cpu):
    """Seconds until nothing was written any more for QUIET_S; a peer without files: until it used no CPU."""
    began = since = time.monotonic()
    before = None
    while time.monotonic() - since < QUIET_S:
        now = size_of(peer, "m0") if not peer.log_command("m0") else cpu.total_ns() // 20_000_000
        if now != before:
            before, since = now, time.monotonic()
        cpu.look()
        time.sleep(LOOK_S)
    return since - began


def show(result):
    peers = result["peers"]
    times = {name: row["module_s_per_gb"] for name, row in peers.items()}
    rows = []
    for name, row in peers.items():
        apart = row["niced_cpu_s_per_gb"]
        rows.append([
            name, row["mb"], 1000 / row["module_s_per_gb"], *ratios(times, name), row["drain_s"],
            row["cpu_s_per_gb"] - apart, row["cpu_all_s_per_gb"], int(row["files"]),
            int(row["lost"]), int(row["doubled"]), int(row["torn"]),
        ])
    table("log: one 100-byte write a line, flat out; the module's time beside a plain file; the keeper's CPU",
          ["peer", "MB", "MB/s", "time/raw", "time/pm2", "drained s", "CPU s/GB", "with compression", "files",
           "lost", "doubled", "torn"], rows)
