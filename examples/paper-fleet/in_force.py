"""What a shelf has in force, for a module that looks at it while it works: taken when the pointer moves, and
only if the file is what its name says. Otherwise the module goes on with what it had.
"""

import json

import shelf


class InForce:
    def __init__(self, kind, log, root=None):
        self.kind, self.log = kind, log
        self.shelf = shelf.Shelf(kind, root)
        self.name = self.value = None
        self._complaint = ""

    @property
    def short(self):
        return self.name[:12] if self.name else "none"

    def look(self):
        """The newest that can be trusted; None if there has been none."""
        try:
            pointer = self.shelf.current()
            if pointer is not None and pointer["sha256"] != self.name:
                self.value = json.loads(self.shelf.get(pointer["sha256"]))
                self.name = pointer["sha256"]
                self.log("INFO", f"{self.kind}: {self.short} is in force")
            self._complaint = ""
        except (OSError, ValueError, shelf.Spoilt) as reason:
            if str(reason) != self._complaint:
                self.log("WARNING", f"{self.kind}: goes on with {self.short}: {reason}")
            self._complaint = str(reason)
        return self.value
