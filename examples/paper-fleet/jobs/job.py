"""What the jobs of the paper fleet share: how they speak, and the ways in which they end.

A job may be killed at any instant and run again. What it made is on the shelf, or it is not.
"""

import csv
import datetime
import io
import os
import sys

import shelf

NAME = os.environ.get("MARK_MODULE") or os.path.basename(sys.argv[0])
TRY_LATER = 75


class TryLater(Exception):
    """Nothing is wrong but the time: mark.yaml says how often it is tried again."""


class Refused(Exception):
    """It must not be done; a person should hear of it."""


def say(level, text):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    print(f"{now}Z {level} {NAME} {text}", flush=True)


def output(name, value):
    """For the jobs after this one: ${jobs.<this>.outputs.<name>}."""
    print(f"MARK_OUTPUT {name}={value}", flush=True)


def run(work):
    try:
        work()
    except (TryLater, OSError) as reason:
        say("WARNING", f"not now: {reason}")
        sys.exit(TRY_LATER)
    except (Refused, shelf.Spoilt) as reason:
        say("ERROR", str(reason))
        sys.exit(1)


def write_rows(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue().encode()


def read_rows(data):
    """All our tables hold whole numbers."""
    lines = csv.reader(io.StringIO(data.decode()))
    next(lines)
    return [[int(cell) for cell in line] for line in lines]
