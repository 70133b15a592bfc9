"""How the checker reads what jobs left on the shelves, in its own words: every pointer names a file that is
there and is what its name says, and what is said beside the name is true.
"""

import hashlib
import json
import os

from verify_books import demand, read

KINDS = ("candles", "features", "models", "policies")


def check_shelves(directory):
    """How many shelves have something in force. A job may move a pointer meanwhile: its file stays."""
    return sum(_check(os.path.join(directory, "shelf"), kind) for kind in KINDS)


def _check(shelf, kind):
    text = read(shelf, kind, "current")
    if not text:
        return 0
    pointer = json.loads(text)
    data = read(shelf, kind, pointer["sha256"])
    demand(hashlib.sha256(data).hexdigest() == pointer["sha256"], f"{kind}: what is in force is not its hash")
    {"candles": _table, "features": _table, "models": _model, "policies": _policy}[kind](kind, pointer, data)
    return 1


def _table(kind, pointer, data):
    lines = data.decode().splitlines()[1:]
    demand(len(lines) == pointer["rows"], f"{kind}: {len(lines)} rows, {pointer['rows']} are said")
    numbers = [int(line.split(",")[0]) for line in lines]
    demand(numbers == list(range(numbers[0], numbers[0] + len(lines))), f"{kind}: there are gaps")
    if kind == "candles":
        demand((pointer["first"], pointer["last"]) == (numbers[0], numbers[-1]), "candles: the wrong stretch")


def _model(_kind, pointer, data):
    model = json.loads(data)
    demand(model["features"] == pointer["features"], "models: of other features than is said")
    demand(model["score"]["model"] == pointer["score"], "models: with another score than is said")
    demand(len(model["weights"]) == len(model["inputs"]), "models: not one weight an input")


def _policy(_kind, _pointer, data):
    demand(set(json.loads(data)["policy"].values()) <= {-1, 0, 1}, "policies: a stance that is none")
