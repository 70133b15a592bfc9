"""How the checker reads TEEA's books: from a copy, while TEEA may be writing them."""

import contextlib
import json
import os
import sqlite3
import tempfile


class Wrong(Exception):
    """Something that must never be."""


def demand(true, message):
    if not true:
        raise Wrong(message)


def teea_state(directory):
    """What TEEA's books say, from a copy of them; None if there have never been any."""
    names = ("books.db", "books.db-journal")
    for _ in range(100):
        files = [read(directory, "teea", name) for name in names]
        if files == [read(directory, "teea", name) for name in names]:
            break
    else:
        raise Wrong("TEEA's books never held still")
    existed = os.path.exists(os.path.join(directory, "teea", "books.exists"))
    demand(files[0] or not existed, "TEEA's books are gone")
    if not files[0]:
        return None
    with tempfile.TemporaryDirectory() as copy:
        for name, data in zip(names, files):
            if data:  # a transaction that was under way is rolled back in the copy, as TEEA would
                with open(os.path.join(copy, name), "wb") as file:
                    file.write(data)
        with contextlib.closing(sqlite3.connect(os.path.join(copy, names[0]))) as database:
            entries = dict(database.execute("SELECT key, value FROM entries"))
    if "account" not in entries:
        return None
    pending = [key[len("pending/") :] for key in entries if key.startswith("pending/")]
    return {**json.loads(entries["account"]), "pending": pending}


def read(*parts):
    try:
        with open(os.path.join(*parts), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
