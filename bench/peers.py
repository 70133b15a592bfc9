"""The keepers that are compared, each told to do the same: start modules, start one again at once after a
crash, stop them all. A peer writes only below its own directory and promises nothing about what it leaves
running: the harness ends that. `command_start_ns` is the moment its command was run."""
import json
import os
import signal
import subprocess
import time

from processes import arguments_of, descendants, exe_of


class Peer:
    def __init__(self, kit, name, directory, fifo):
        self.kit = kit
        self.name = name
        self.dir = directory
        self.fifo = fifo
        self.command_start_ns = 0
        self.command = None
        os.makedirs(directory)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def variables(self, module):
        return {"BENCH_ID": module, "BENCH_FIFO": self.fifo}

    def environment(self):
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}

    def launch(self, argv):
        """Runs the peer's command; what it says goes to command.out."""
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

    def said(self):
        try:
            with open(self.path("command.out")) as file:
                return file.read()[-2000:].strip()
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
        raise NotImplementedError

    def roots(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def down(self):
        """Ends the keeper in good order, as far as it has one; the harness ends the rest."""


class Raw(Peer):
    def up(self, modules):
        lines = []
        for module in modules:
            variables = [f"{name}={value}" for name, value in self.variables(module).items()]
            lines.append(" ".join([self.path(f"{module}.log"), self.kit.module, *variables]) + "\n")
        self.launch([self.kit.raw_keeper, self.write("conf", "".join(lines))])

    def roots(self):
        return [self.command.pid]

    def stop(self):
        os.kill(self.command.pid, signal.SIGTERM)
        self.command.wait()


class Pm2(Peer):
    """Without delay, and told never to give up (min_uptime 100 is its least, max_restarts must be raised)."""

    def environment(self):
        path = os.path.dirname(self.kit.node) + ":" + os.environ.get("PATH", "/usr/bin:/bin")
        own = {"PM2_HOME": self.path("home"), "PM2_DISABLE_VERSION_CHECK": "1", "PATH": path}
        return {**super().environment(), **own}

    def run(self, *words):
        return [self.kit.node, self.kit.pm2, *words]

    def up(self, modules):
        apps = [{
            "name": module, "script": self.kit.module, "interpreter": "none", "env": self.variables(module),
            "autorestart": True, "restart_delay": 0, "min_uptime": 100, "max_restarts": 10**9,
            "out_file": self.path(f"{module}.log"), "error_file": self.path(f"{module}.err"),
            "merge_logs": True, "pmx": False, "kill_timeout": 5000,
        } for module in modules]
        conf = self.write("bench.config.js", "module.exports = " + json.dumps({"apps": apps}))
        self.launch(self.run("start", conf) if modules else self.run("ping"))

    def roots(self):
        try:
            with open(self.path("home", "pm2.pid")) as file:
                return [int(file.read())]
        except (OSError, ValueError):
            return []

    def stop(self):
        self.call(self.run("stop", "all"))

    def down(self):
        self.call(self.run("kill"), 60)


class Mark(Peer):
    """As `mark up -d` runs it: keeper, daemon and armed successor; readiness left at its default of 1 s."""

    def environment(self):
        os.makedirs(self.path("run"), exist_ok=True)
        return {**super().environment(), "XDG_RUNTIME_DIR": self.path("run"), "NO_COLOR": "1"}

    def up(self, modules):
        restart = {
            "policy": "always", "delay": "0s", "jitter": 0, "budget": ["100000/1h"], "when_spent": "slow",
        }
        declared = {
            module: {
                "command": [self.kit.module], "environment": self.variables(module), "restart": restart,
            } for module in modules
        }
        # JSON is YAML.
        self.write("mark.yaml", json.dumps({"name": "bench", "modules": declared}, indent=1))
        self.launch([self.kit.marks[self.name], "up", "-d"])

    def idle(self):
        # A fleet of none cannot be declared: one module, stopped.
        self.up(["m0"])
        self.command.wait()
        self.stop()

    def roots(self):
        return [pid for pid in descendants(os.getpid()) if self.is_keeper(pid)]

    def is_keeper(self, pid):
        # The armed successor names the same file and directory, but is still `flock`.
        arguments = arguments_of(pid)
        is_main = any("/keeper/main." in argument for argument in arguments)
        return is_main and self.path(".mark") in arguments and os.path.basename(exe_of(pid)) == "node"

    def stop(self):
        self.call([self.kit.marks[self.name], "stop", "--all"])

    def down(self):
        self.call([self.kit.marks[self.name], "down"], 60)


def make(kit, name, directory, fifo):
    """Everything that is not raw or pm2 is a MARK: of this checkout, built from it, or another one."""
    kind = {"raw": Raw, "pm2": Pm2}.get(name, Mark)
    return kind(kit, name, directory, fifo)
