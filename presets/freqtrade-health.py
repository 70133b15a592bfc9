#!/usr/bin/env python3
"""Is this Freqtrade trading? Asked by MARK of a running bot: the preset's `health.exec`.

A fatal error leaves Freqtrade in the state STOPPED while its process, its REST server and its systemd
watchdog go on. So the last state it logged is what counts; --max-age says how old its log heartbeat may
be, --ping asks its REST server too. Exit 0: yes; 1: no. The last line printed says why. Standard library
only; reads no configuration and no secret.
"""
import argparse
import os
import re
import sys
import time
import urllib.request

TAIL_BYTES = 256 * 1024
STATE = re.compile(r"Changing state(?: from \w+)? to: (\w+)|Bot heartbeat\. .*state='(\w+)'|Starting worker ")
FORMAT = "%Y-%m-%d %H:%M:%S"
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")


def last_state(path):
    """(state or None, line) of the last line that tells of it; (None, None) where none does."""
    with open(path, "rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - TAIL_BYTES))
        lines = log.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        found = STATE.search(line)
        if found:
            return found.group(1) or found.group(2), line
    return None, None


def age_of(line):
    """Seconds since the line was logged, or 0 where it has no time."""
    stamp = STAMP.match(line)
    if stamp is None:
        return 0
    then = time.mktime(time.strptime(stamp.group(1), FORMAT))
    # In the hour that a clock change gives twice, the later of the two is meant.
    later = time.strftime(FORMAT, time.localtime(then + 3600)) == stamp.group(1)
    return time.time() - then - (3600 if later else 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", default=None)
    parser.add_argument("--max-age", type=float, default=0)
    parser.add_argument("--ping", default=None)
    asked = parser.parse_args()
    log = asked.log or os.path.join(os.environ["MARK_LOG_DIR"], os.environ["MARK_MODULE"] + ".log")
    said = []
    if asked.ping:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked.ping, timeout=5).close()
        except OSError as error:
            return 1, "ping failed: %s" % error
        said.append("ping answered")
    try:
        state, line = last_state(log)
    except OSError as error:
        return 1, "its log cannot be read: %s" % error.strerror
    if state == "STOPPED":
        return 1, "state='STOPPED' while the process lives: read its log, then /start or `mark restart`"
    if line is not None and asked.max_age > 0 and age_of(line) > asked.max_age:
        return 1, "no heartbeat in its log for %d s" % age_of(line)
    said.append("state='%s'" % state if state else "no state logged yet")
    return 0, ", ".join(said)


if __name__ == "__main__":
    code, why = main()
    print(why)
    sys.exit(code)
