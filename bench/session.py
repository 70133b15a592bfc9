"""One run of the bench: who takes part, what was asked, and a place for each life of a peer. Peers take
turns in random order, from one seed that is printed, so that other work on the machine meets all alike.
A peer that fails is told and left out of the rest of a figure, never averaged over."""
import os
import random
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from kit import say
from processes import alive, end_everything
from records import Records
from roster import kind_of

START_LIMIT_S = 120


class Failure(Exception):
    pass


# What ends one peer's part of a figure, and not the run.
FAULTS = (Failure, OSError, ValueError, KeyError, RuntimeError, subprocess.SubprocessError)


class Session:
    def __init__(self, kit, scratch, names, options):
        self.kit = kit
        self.scratch = scratch
        self.names = names
        self.options = options
        self.random = random.Random(options.seed)
        self.failed = {}
        self.places = 0

    def in_turn(self, names=None):
        """The peers that did not fail yet, in random order."""
        names = list(self.names if names is None else names)
        return self.random.sample(names, len(names))

    def judged(self):
        """Who is asked what is true: raw is a limit, not a tool, and mark-built behaves as mark."""
        names = [name for name in self.names if name != "raw"]
        return [name for name in names if name != "mark-built" or "mark" not in names]

    def kind(self, name):
        return kind_of(name)

    def place(self, name):
        self.places += 1
        return Place(self.kit, self.scratch, name, self.places)

    def fails(self, name, figure, why):
        self.failed[f"{name} ({figure})"] = str(why)
        say(f"FAILED {name} ({figure}): {why}")

    def together(self, figure, names, life):
        """{name: life(place)} of peers that live side by side, each in a thread, because waiting is most
        of it: only for figures in which a few milliseconds do not count."""
        places = {name: self.place(name) for name in self.in_turn(names)}
        rows = {}
        pool = ThreadPoolExecutor(max_workers=len(places) or 1)
        try:
            lives = {name: pool.submit(life, place) for name, place in places.items()}
            for name, it in lives.items():
                try:
                    rows[name] = it.result()
                except FAULTS as failure:
                    self.fails(name, figure, failure)
        finally:
            # After Ctrl-C a life may still go on: it must start nothing behind the cleaning.
            for place in places.values():
                place.peer.may_start = False
            pool.shutdown()
            for place in places.values():
                place.peer.may_start = True
                place.leave()
            self.clean(places.values())
        return {name: rows[name] for name in self.names if name in rows}

    def clean(self, places):
        end_everything()
        for place in places:
            shutil.rmtree(place.dir, ignore_errors=True)


class Place:
    """A peer's own directory and FIFO, for one life of it."""

    def __init__(self, kit, scratch, name, number):
        self.name = name
        self.dir = os.path.join(scratch, f"{number}-{name}")
        self.records = Records(f"{self.dir}.fifo")
        self.peer = kind_of(name)(kit, name, self.dir, self.records.path)

    def start(self, modules):
        """{module id: (pid, ns)}, once each has told its first instruction."""
        self.peer.up(modules)
        found = self.wait_started([module.id for module in modules])
        if len(found) < len(modules):
            raise Failure(f"{len(found)} of {len(modules)} modules started. {self.peer.said()}")
        return found

    def wait_started(self, ids):
        """{module id: (pid, ns)} of those that started in time; ends early when the peer's command failed."""
        found = {}
        deadline = time.monotonic() + START_LIMIT_S
        while len(found) < len(ids) and time.monotonic() < deadline:
            found.update(self.records.starts([it for it in ids if it not in found], 1))
            if self.peer.command.poll():
                break
        return found

    def leave(self):
        peer = self.peer
        try:
            if peer.command:
                peer.down()
        except FAULTS as error:
            say(f"{self.name} did not end in good order: {error}")
        finally:
            if peer.command and peer.command.poll() is None and alive(peer.command.pid):
                peer.command.kill()
                peer.command.wait()
            self.records.close()
