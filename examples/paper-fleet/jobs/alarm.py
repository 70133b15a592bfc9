"""TAMI's line about a job that failed: written where `mark logs` shows it to whoever looks.

    python3 -m jobs.alarm WORDS
"""

import sys

from jobs import job

if __name__ == "__main__":
    job.say("ERROR", f"notice: {' '.join(sys.argv[1:])}")
