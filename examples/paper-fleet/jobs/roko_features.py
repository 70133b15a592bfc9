"""ROKO, the job: makes the features of all that LUKA has collected. The same candles give the same file.

    python3 -m jobs.roko_features DATA_UNTIL     what LUKA promised: older data are refused
"""

import sys

import features
import shelf
from jobs import job

COLUMNS = ("index", "price_cents", *features.INPUTS)


def make(candles, made, data_until):
    """The name of the features on the shelf `made`."""
    manifest = candles.current()
    if manifest is None or manifest["until"] < data_until:
        raise job.Refused(f"LUKA promised data until {data_until}, and there are none so new")
    rows = job.read_rows(candles.get(manifest["sha256"]))
    table = features.table([{"index": i, "usd_cents": usd, "usdc_cents": usdc} for i, usd, usdc in rows])
    name = made.put(job.write_rows(COLUMNS, table))
    made.point(name, rows=len(table), candles=manifest["sha256"], until=manifest["until"])
    return name


def main():
    name = make(shelf.Shelf("candles"), shelf.Shelf("features"), sys.argv[1])
    job.say("INFO", f"features {name}")
    job.output("features", name)


if __name__ == "__main__":
    job.run(main)
