"""SAAN, the gate: a candidate is promoted only if it would have done better than the policy in force, on
ticks that it did not learn from. A worse one is refused with exit code 1; the one in force stays.

    python3 -m jobs.saan_gate CANDIDATE          the name under which it lies on the shelf `policies`
"""

import json
import sys

import policy
import shelf
from jobs import job

ENOUGH = 50


def judge(made, in_force, table):
    """(score of the candidate, score of the one in force) on what the candidate has not seen."""
    unseen = [row for row in table if row[0] > made["learned_until"]]
    if len(unseen) < ENOUGH:
        raise job.Refused(f"only {len(unseen)} ticks to judge it by, and {ENOUGH} are needed")

    old = policy.rule if in_force is None else follow(in_force)
    return policy.score(unseen, follow(made)), policy.score(unseen, old)


def follow(made):
    return lambda inputs, before: policy.stance_of(made["policy"], inputs, before)


def decide(policies, name, table):
    """What was decided, in words; raises Refused if the candidate is worse."""
    made, pointer = json.loads(policies.get(name)), policies.current()
    in_force = json.loads(policies.get(pointer["sha256"])) if pointer else None
    new, old = judge(made, in_force, table)
    scores = f"{new} a tick, and the one in force {old}"
    if new < old:
        raise job.Refused(f"candidate {name[:12]} is refused: {scores}")
    if new == old:
        return f"candidate {name[:12]} is no better: {scores}"
    policies.point(name, score=new)
    return f"candidate {name[:12]} is in force now: {scores}"


def main():
    known = shelf.Shelf("features")
    table = job.read_rows(known.get(known.current()["sha256"]))
    job.say("INFO", decide(shelf.Shelf("policies"), sys.argv[1], table))


if __name__ == "__main__":
    job.run(main)
