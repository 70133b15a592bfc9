#!/usr/bin/env python3
"""Measures MARK beside the physical limit (raw, in C) and what people use, interleaved in one run; prints
tables. What is missing here is skipped, and said. Ends every process it started, and touches nothing
but its scratch and cache directories.

figures: crash boot stop pss idle log kill9 orphans exits loop (default: all), or: table RESULTS.json"""
import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time

import comparison
from figures import crash, exits, fleet, kill9, log, loop, orphans
from kit import Kit, default_node, host, say, versions
from processes import become_subreaper, end_everything
from roster import KINDS
from session import Session

FLEET = ("boot", "stop", "pss", "idle")
MEASUREMENTS = {
    "crash": crash, "fleet": fleet, "log": log, "kill9": kill9, "orphans": orphans, "exits": exits,
    "loop": loop,
}
FIGURES = ("crash", *FLEET, "log", "kill9", "orphans", "exits", "loop")
QUICK = {"samples": 12, "reps": 1, "settle": 2, "idle": 2, "sizes": [100], "mb": 30, "delay": 2.5}
FAILED = 1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OF_THIS_MACHINE = ("node", "cache", "out", "also")


def words(text):
    return text.split(",")


def numbers(text):
    return [int(word) for word in words(text)]


def parser():
    it = argparse.ArgumentParser(
        prog="npm run bench --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("figures", nargs="*", help="what to measure")
    it.add_argument("--peers", default=list(KINDS), type=words, help=f"default: {','.join(KINDS)}")
    it.add_argument("--also", action="append", default=[], metavar="NAME=BIN_MARK",
                    help="another MARK to compare with, such as bin/mark of a second checkout")
    it.add_argument("--quick", action="store_true", help="a first look: less of everything, see README.md")
    seed = secrets.randbelow(10**6)
    it.add_argument("--seed", type=int, default=seed, help="of the order of turns (printed)")
    it.add_argument("--out", "--json", metavar="FILE", help="everything measured, as one JSON document")
    it.add_argument("--samples", type=int, default=110, help="crashes a peer (110)")
    it.add_argument("--crash-modules", type=int, default=8, help="modules a peer keeps meanwhile (8)")
    it.add_argument("--age", type=float, default=1.5, help="age of a module before it is killed, s (1.5)")
    it.add_argument("--sizes", type=numbers, default=[100, 300], help="sizes of the fleets (100,300)")
    it.add_argument("--reps", type=int, default=3, help="repetitions, the median counts (3)")
    it.add_argument("--settle", type=float, default=4, help="wait before memory and idle CPU, s (4)")
    it.add_argument("--idle", type=float, default=10, help="how long idle CPU is measured, s (10)")
    it.add_argument("--mb", type=int, default=500, help="MB of log (500; systemd 10)")
    it.add_argument("--delay", type=float, default=4, help="wait before a module prints, s (4)")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mark-bench")
    it.add_argument("--cache", default=cache, help=f"where pm2 is installed ({cache})")
    it.add_argument("--node", default=default_node(), help=argparse.SUPPRESS)
    return it


def read_options():
    command = parser()
    options = command.parse_args()
    if options.figures[:1] == ["table"]:
        if len(options.figures) != 2:
            command.error("table needs one file of results")
        return options
    options.also = dict(text.partition("=")[::2] for text in options.also)
    options.peers += [name for name in options.also if name not in options.peers]
    options.figures = options.figures or list(FIGURES)
    unknown = [name for name in options.peers if name not in (*KINDS, *options.also)]
    unknown += [name for name in options.figures if name not in FIGURES]
    if unknown:
        command.error(f"unknown: {', '.join(unknown)}")
    for name, value in QUICK.items():
        if options.quick and getattr(options, name) == command.get_default(name):
            setattr(options, name, value)
    return options


def run(options, scratch):
    kit = Kit(scratch, options.cache, options.node, options.peers, options.also)
    say(f"seed {options.seed}")
    result = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seed": options.seed, "host": host(),
        "options": {name: value for name, value in vars(options).items() if name not in OF_THIS_MACHINE},
        "versions": versions(kit, options.peers), "skipped": kit.skipped, "figures": {},
    }
    for name, why in kit.skipped.items():
        say(f"SKIPPED {name}: {why}")
    if kit.module is None:
        say("without a C compiler there is no module to keep: nothing was measured")
        return {**result, "failed": {}}
    names = [name for name in options.peers if name not in kit.skipped]
    if options.quick and options.peers == list(KINDS) and "mark-built" in names:
        names.remove("mark")
    session = Session(kit, scratch, names, options)
    for name, measurement in MEASUREMENTS.items():
        if name in options.figures or (name == "fleet" and set(FLEET) & set(options.figures)):
            began = time.monotonic()
            result["figures"][name] = measurement.measure(session)
            say(f"{name} took {time.monotonic() - began:.0f} s")
    return {**result, "failed": session.failed}


def show(result):
    facts = result["host"]
    programs = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    print(f"\n{facts['cpus']} x {facts['cpu']}, Linux {facts['kernel']}, load {facts['load'][0]} at first")
    print(f"{programs}; seed {result['seed']}")
    for name, figure in result["figures"].items():
        MEASUREMENTS[name].show(figure)
    print("\nRatios hold within this run only: other work on the machine moves absolute figures.")
    for kind in ("skipped", "failed"):
        for name, why in result[kind].items():
            print(f"{kind.upper()} {name}: {why}", flush=True)


def leave(number, _frame):
    """Ends the run once, so that what was started is ended in peace."""
    for ending in ENDING:
        signal.signal(ending, signal.SIG_IGN)
    say(f"{signal.Signals(number).name}: ending what was started")
    sys.exit(FAILED)


def main():
    options = read_options()
    if options.figures[0] == "table":
        with open(options.figures[1]) as file:
            print(comparison.page(json.load(file)))
        return 0
    for number in ENDING:
        signal.signal(number, leave)
    become_subreaper()
    scratch = tempfile.mkdtemp(prefix="mark-bench-")
    try:
        result = run(options, scratch)
    finally:
        end_everything()
        shutil.rmtree(scratch, ignore_errors=True)
    show(result)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(result, file, indent=1)
    measured = any(figure["peers"] for figure in result["figures"].values())
    return 0 if measured and not result["failed"] else FAILED


if __name__ == "__main__":
    sys.exit(main())
