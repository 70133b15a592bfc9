#!/usr/bin/env python3
"""Measures MARK beside the physical limit (raw, in C) and pm2, interleaved in one run; prints tables.
Needs Linux, Python 3.9, a C compiler and, for pm2, npm with a registry: what is missing is skipped, and said.
Ends every process it started, and touches nothing but its scratch and cache directories."""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

import measure
import report
from kit import Kit, default_node, host, say, versions
from processes import become_subreaper, end_everything

PEERS = ("raw", "pm2", "mark", "mark-built")
FAILED = 1


def read_options():
    parser = argparse.ArgumentParser(
        prog="npm run bench --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = {"type": lambda text: text.split(",")}
    parser.add_argument("--peers", default=list(PEERS), help=f"default: {','.join(PEERS)}", **words)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BIN_MARK",
                        help="another MARK to compare with, such as bin/mark of a second checkout")
    parser.add_argument("--tests", default=["crash", "fleet"], help="default: crash,fleet", **words)
    parser.add_argument("--samples", type=int, default=110, help="crashes a peer (110)")
    parser.add_argument("--crash-modules", type=int, default=8, help="modules a peer keeps meanwhile (8)")
    parser.add_argument("--age", type=float, default=1.5, help="age of a module before it is killed, s (1.5)")
    parser.add_argument("--modules", type=int, default=100, help="size of the fleet (100)")
    parser.add_argument("--reps", type=int, default=3, help="boots and stops a peer, the median counts (3)")
    parser.add_argument("--idle", type=float, default=10, help="how long idle CPU is measured, s (10)")
    parser.add_argument("--quick", action="store_true", help="20 samples, one repetition, 3 s of idling")
    parser.add_argument("--json", metavar="FILE", help="everything measured, as one JSON document")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mark-bench")
    parser.add_argument("--cache", default=cache, help=f"where pm2 is installed ({cache})")
    parser.add_argument("--node", default=default_node(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.also = dict(text.partition("=")[::2] for text in options.also)
    options.peers += [name for name in options.also if name not in options.peers]
    unknown = [name for name in options.peers if name not in (*PEERS, *options.also)]
    unknown += [name for name in options.tests if name not in ("crash", "fleet")]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    for name, value in {"samples": 20, "reps": 1, "idle": 3}.items():
        if options.quick and getattr(options, name) == parser.get_default(name):
            setattr(options, name, value)
    return options


def run(options, scratch):
    kit = Kit(scratch, options.cache, options.node, options.peers, options.also)
    result = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "options": vars(options), "host": host(),
        "versions": versions(kit), "skipped": kit.skipped, "failed": {},
    }
    if kit.module is None:
        tell(kit.skipped, result["failed"])
        say("without a C compiler there is no module to keep: nothing was measured")
        return result
    names = [name for name in options.peers if name not in kit.skipped]
    if "crash" in options.tests:
        samples, failed = measure.crash(kit, scratch, names, options)
        result["failed"].update({f"{name} (crash)": why for name, why in failed.items()})
        result["crash"] = {"summary": report.crash_summary(samples), "samples_ms": samples}
    if "fleet" in options.tests:
        rows, failed = measure.fleet(kit, scratch, names, options)
        result["failed"].update({f"{name} (fleet)": why for name, why in failed.items()})
        result["fleet"] = {"summary": report.fleet_summary(rows), "rows": rows}
    show(result, options)
    return result


def show(result, options):
    facts = result["host"]
    programs = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    machine = f"{facts['cpus']} x {facts['cpu']}, Linux {facts['kernel']}, load {facts['load'][0]}"
    print(f"\n{machine} at the start; {programs}")
    if "crash" in result:
        report.print_crash(result["crash"]["summary"], options)
    if "fleet" in result:
        report.print_fleet(result["fleet"]["summary"], options.modules)
    print("\nRatios hold within this run only: other work on the machine moves absolute figures.")
    tell(result["skipped"], result["failed"])


def tell(skipped, failed):
    for name, why in skipped.items():
        print(f"SKIPPED {name}: {why}", flush=True)
    for name, why in failed.items():
        print(f"FAILED {name}: {why}", flush=True)


def main():
    options = read_options()
    # So that what is below runs.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    become_subreaper()
    scratch = tempfile.mkdtemp(prefix="mark-bench-")
    try:
        result = run(options, scratch)
    finally:
        end_everything()
        shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
    measured = any(result.get(test, {}).get("summary") for test in options.tests)
    return 0 if measured and not result["failed"] else FAILED


if __name__ == "__main__":
    sys.exit(main())
