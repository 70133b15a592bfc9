"""The nightly cleanup: removes from the shelves what is older than KEEP_HOURS, whatever a killed job left
half written included. Never a pointer, nor what a pointer names.
"""

import os
import time

import shelf
from jobs import job

KINDS = ("candles", "features", "models", "policies")


def clean(place, older_than):
    """How many files are gone."""
    removed = 0
    for name in os.listdir(place.directory) if os.path.isdir(place.directory) else []:
        path = os.path.join(place.directory, name)
        # Asked for each file anew: a job may move the pointer meanwhile. What it moves to is young.
        pointer = place.current()
        if name == "current" or (pointer and name == pointer["sha256"]):
            continue
        if os.stat(path).st_mtime < older_than:
            os.unlink(path)
            removed += 1
    return removed


def main():
    older_than = time.time() - float(os.environ.get("KEEP_HOURS") or 24) * 3600
    for kind in KINDS:
        job.say("INFO", f"{clean(shelf.Shelf(kind), older_than)} files removed from {kind}")


if __name__ == "__main__":
    job.run(main)
