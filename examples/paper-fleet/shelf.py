"""Where jobs leave what they make for others: files that are named by their own SHA-256, and a pointer
`current` that names the one in force and says what is to be known of it.

Both are written aside and renamed, so that a kill at any instant leaves the old or the new, whole. What is
read is hashed again: a file that is not what its name says is never used.
"""

import hashlib
import json
import os

NAME_LENGTH = 64


class Spoilt(Exception):
    """What lies on the shelf is not what it says it is."""


def place():
    """Beside the state directories of all modules and jobs."""
    own = os.environ.get("MARK_STATE_DIR") or os.path.join(".paper", "job")
    return os.path.join(os.path.dirname(own), "shelf")


class Shelf:
    def __init__(self, kind, root=None):
        self.directory = os.path.join(root or place(), kind)

    def put(self, data):
        """The name under which it lies here from now on."""
        name = hashlib.sha256(data).hexdigest()
        self._write(name, data)  # also one that is there: it is of today again, so the cleanup spares it
        return name

    def get(self, name):
        """OSError if there is none, Spoilt if it is not what its name says."""
        if len(name) != NAME_LENGTH or not name.isalnum():
            raise Spoilt(f"{name!r:.80} is no SHA-256")
        with open(os.path.join(self.directory, name), "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != name:
            raise Spoilt(f"{os.path.join(self.directory, name)} is not what its name says")
        return data

    def point(self, name, **facts):
        self._write("current", json.dumps({"sha256": name, **facts}, sort_keys=True).encode() + b"\n")

    def current(self):
        """What the pointer says; None where nothing is in force yet."""
        path = os.path.join(self.directory, "current")
        try:
            with open(path, "rb") as file:
                pointer = json.loads(file.read())
            if not isinstance(pointer["sha256"], str):
                raise Spoilt(f"{path} names nothing")
            return pointer
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError):
            raise Spoilt(f"{path} is no pointer") from None

    def _write(self, name, data):
        os.makedirs(self.directory, exist_ok=True)
        path = os.path.join(self.directory, name)
        aside = f"{path}.{os.getpid()}"
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def as_json(value):
    """The same value is always the same bytes, and so has the same name."""
    return json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"
