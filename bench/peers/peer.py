"""One keeper among those that are compared, each told to do the same: start modules, start one again at once
after a crash, stop them all. A peer writes only below its own directory and promises nothing about what it
leaves running: the harness ends that. A new peer is a subclass in a file beside this one and a line in
roster.py. `command_start_ns` is the moment its command was run."""
import os
import subprocess
import time
from dataclasses import dataclass

from processes import descendants, exe_of

# The same for everyone that rotates.
LOG_FILE_BYTES = 10_000_000
LOG_FILES_KEPT = 200
GRACE_S = 2


@dataclass(frozen=True)
class Module:
    """`does`: $BENCH_DO of c/module.c. `again`: to be started again when it ends."""
    id: str
    does: str = "wait"
    again: bool = True


class Peer:
    # Debian's package and the programs it must bring; the harness skips the peer where one is missing.
    package, programs = None, ()
    # Its command comes back (pm2, mark) instead of being the keeper itself.
    comes_back = False
    # It takes the order to stop everything from `order()`; its command is `stop()`. None: it has no such way.
    order_is, stop_is = "SIGTERM to the keeper", None
    # Why killing it with -9 cannot be measured, if so.
    no_kill9 = None
    # How the reader of the table learns what was configured.
    note = ""

    @staticmethod
    def cannot():
        """Why it cannot run here although its programs are there; None: it can."""
        return None

    def __init__(self, kit, name, directory, fifo):
        self.kit = kit
        self.name = name
        self.dir = directory
        self.fifo = fifo
        self.command_start_ns = 0
        self.command = None
        self.may_start = True
        os.makedirs(directory)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def variables(self, module):
        return {"BENCH_ID": module.id, "BENCH_FIFO": self.fifo, "BENCH_DO": module.does}

    def environment(self):
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}

    def launch(self, argv):
        """Runs the peer's command; what it says goes to command.out."""
        if not self.may_start:
            raise RuntimeError("the run is over")
        with open(self.path("command.out"), "ab") as out:
            self.command_start_ns = time.monotonic_ns()
            self.command = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.dir,
                env=self.environment(), start_new_session=True)

    def call(self, argv, timeout_s=180):
        """Runs a command to its end; its exit status."""
        with open(self.path("command.out"), "ab") as out:
            return subprocess.call(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.dir,
                env=self.environment(), start_new_session=True, timeout=timeout_s)

    def told(self, argv):
        """What a command prints."""
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.dir,
            env=self.environment(), text=True, errors="replace", timeout=180).stdout

    def said(self):
        return self.text("command.out")[-2000:].strip()

    def text(self, name):
        try:
            with open(self.path(name), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def modules(self):
        """Pids of the modules that run now."""
        return [pid for pid in self.tree() if exe_of(pid) == self.kit.module]

    def own(self):
        """Pids of the keeper and all its helpers: everything that is not a module."""
        return [pid for pid in self.tree() if exe_of(pid) != self.kit.module]

    def tree(self):
        return [pid for root in self.roots() for pid in [root, *descendants(root)]]

    def idle(self):
        """Starts the keeper without a running module."""
        self.up([])

    def up(self, modules):
        """Writes the configuration and starts the keeper on it."""
        raise NotImplementedError

    def again(self):
        """Starts the keeper anew on the configuration and state that are there."""
        raise NotImplementedError

    def roots(self):
        """Pids of the keeper."""
        raise NotImplementedError

    def order(self):
        """Tells the keeper to stop everything, as directly as it can be told."""
        raise NotImplementedError

    def stop(self):
        """Runs the command that stops every module, to its end."""
        raise NotImplementedError

    def host_pid(self, pid):
        """The harness's name of a pid that a module told; 0: there is no such process."""
        return pid

    def logs(self, module_id):
        """Log files of a module, oldest first."""
        return []

    def log_command(self, module_id):
        """The command that prints a module's log, for a peer without log files; else None."""
        return None

    def logs_settled(self, module_id):
        """False while something remains to be done to logs that were written."""
        return True

    def exits(self, module_ids):
        """{id: ("code" | "signal", number)} of the last end of each, by its own tool, status or log;
        missing: it tells nothing."""
        raise NotImplementedError

    def hooked_exits(self, module_ids):
        """The same by a script of the user's that it runs at each end; None: no need of one."""
        return None

    def down(self):
        """Ends the keeper in good order, as far as it has one; the harness ends the rest."""
