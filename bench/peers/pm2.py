"""pm2 on the Node that MARK runs on, without delay and told never to give up (min_uptime 100 is its least,
max_restarts must be raised). It does not rotate logs by itself."""
import json
import os
import re
import signal

from peers.peer import GRACE_S, Peer

ENDED = re.compile(r"App \[([^\]:]+):\d+\] exited with code \[(\d+)\] via signal \[(\w+)\]")


class Pm2(Peer):
    comes_back = True
    stop_is = "pm2 stop all"
    note = "restart_delay 0, max_restarts 10^9, kill_timeout 2 s; no rotation"

    def environment(self):
        path = os.path.dirname(self.kit.node) + ":" + os.environ.get("PATH", "/usr/bin:/bin")
        own = {"PM2_HOME": self.path("home"), "PM2_DISABLE_VERSION_CHECK": "1", "PATH": path}
        return {**super().environment(), **own}

    def run(self, *words):
        return [self.kit.node, self.kit.pm2, *words]

    def up(self, modules):
        apps = [{
            "name": module.id, "script": self.kit.module, "interpreter": "none",
            "env": self.variables(module),
            "autorestart": module.again, "restart_delay": 0, "min_uptime": 100, "max_restarts": 10**9,
            "out_file": self.path(f"{module.id}.log"), "error_file": self.path(f"{module.id}.err"),
            "merge_logs": True, "pmx": False, "kill_timeout": GRACE_S * 1000,
        } for module in modules]
        self.write("bench.config.js", "module.exports = " + json.dumps({"apps": apps}))
        self.again()

    def idle(self):
        self.launch(self.run("ping"))

    def again(self):
        self.launch(self.run("start", self.path("bench.config.js")))

    def roots(self):
        pid = self.text("home/pm2.pid").strip()
        return [int(pid)] if pid.isdigit() else []

    def order(self):
        for pid in self.roots():
            os.kill(pid, signal.SIGTERM)

    def stop(self):
        self.call(self.run("stop", "all"))

    def logs(self, module_id):
        return [self.path(f"{module_id}.log")]

    def exits(self, module_ids):
        """By pm2.log, the kindest reading: it names SIGINT for whatever was no signal, so only code 0
        via SIGINT is ambiguous; `pm2 jlist` says exit code 0 for every signal."""
        found = {}
        for module_id, code, name in ENDED.findall(self.text("home/pm2.log")):
            by_signal = code == "0" and name != "SIGINT" and hasattr(signal, name)
            found[module_id] = ("signal", int(signal.Signals[name])) if by_signal else ("code", int(code))
        return {module_id: found[module_id] for module_id in module_ids if module_id in found}
