"""SAAN, training: learns a policy from the earlier part of ROKO's features and lays it on the shelf as a
candidate. It puts nothing in force: that is for the gate.

    PLANT=worse python3 -m jobs.saan_train       the drill: one that was made to be bad; the gate refuses it
"""

import os

import policy
import shelf
from jobs import job

LEARN_FROM = 0.7


def candidate(table, name, worst):
    """A policy, and what it may never be judged by: all up to `learned_until`."""
    part = table[: int(len(table) * LEARN_FROM)]
    learned = policy.learn(part, worst)
    return {"policy": learned, "learned_until": part[-1][0], "features": name}


def main():
    known = shelf.Shelf("features")
    pointer = known.current()
    if pointer is None:
        raise job.TryLater("ROKO has made no features yet")
    table = job.read_rows(known.get(pointer["sha256"]))
    made = candidate(table, pointer["sha256"], os.environ.get("PLANT") == "worse")
    name = shelf.Shelf("policies").put(shelf.as_json(made))
    job.say("INFO", f"candidate {name[:12]} learned from ticks up to {made['learned_until']}")
    job.output("candidate", name)


if __name__ == "__main__":
    job.run(main)
