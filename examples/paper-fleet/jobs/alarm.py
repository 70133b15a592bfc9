"""What follows when a job failed: the words go to the log, and to TAMI, who tells the operator.

    python3 -m jobs.alarm WORDS
"""

import sys

import mark_sdk as mark
from jobs import job


def main():
    words = " ".join(sys.argv[1:])
    job.say("ERROR", words)  # stays, also where TAMI is away
    mark.link().publish("alarms", f"{job.NAME}: {words}")


if __name__ == "__main__":
    job.run(main)
