"""MARK as `mark up -d` runs it: keeper, daemon and armed successor; readiness left at its default of 1 s.
Only its command line, its documented files and signals are used."""
import glob
import json
import os
import shutil
import signal

from peers.peer import GRACE_S, LOG_FILE_BYTES, LOG_FILES_KEPT, Module, Peer
from processes import alive, lock_holder

RESTART = {"policy": "always", "delay": "0s", "jitter": 0, "budget": ["100000/1h"], "when_spent": "slow"}


class Mark(Peer):
    comes_back = True
    stop_is = "mark stop --all"
    note = "restart delay 0, a budget never spent, stop grace 2 s, log max_size 10 MB"

    def environment(self):
        os.makedirs(self.path("run"), exist_ok=True)
        return {**super().environment(), "XDG_RUNTIME_DIR": self.path("run"), "NO_COLOR": "1"}

    def run(self, *words):
        return [self.kit.marks[self.name], *words]

    def up(self, modules):
        declared = {
            module.id: {
                "command": [self.kit.module], "environment": self.variables(module),
                "restart": RESTART if module.again else {"policy": "never"},
                "stop": {"grace": f"{GRACE_S}s"},
                "log": {"max_size": str(LOG_FILE_BYTES), "keep": LOG_FILES_KEPT, "quota": "8G"},
            } for module in modules
        }
        # JSON is YAML.
        self.write("mark.yaml", json.dumps({"name": "bench", "modules": declared}, indent=1))
        self.again()

    def again(self):
        self.launch(self.run("up", "-d"))

    def idle(self):
        # A fleet of none cannot be declared: one module, stopped.
        self.up([Module("m0")])
        self.command.wait()
        self.stop()

    def roots(self):
        """The keeper: it holds keeper.lock for its whole life."""
        pid = lock_holder(self.path(".mark", "keeper.lock"))
        return [pid] if pid and alive(pid) else []

    def socket(self):
        return self.path(".mark", "run", "keeper.sock")

    def order(self):
        for pid in self.roots():
            os.kill(pid, signal.SIGTERM)

    def stop(self):
        self.call(self.run("stop", "--all"))

    def archives(self, module_id):
        return sorted(glob.glob(glob.escape(self.path(".mark", "logs", module_id)) + "/*.log*"))

    def logs(self, module_id):
        return [*self.archives(module_id), self.path(".mark", "logs", f"{module_id}.log")]

    def logs_settled(self, module_id):
        return all(path.endswith(".zst") for path in self.archives(module_id))

    def exits(self, module_ids):
        """By `mark status --json`; `known: false` tells nothing, and says so."""
        found = {}
        for module in json.loads(self.told(self.run("status", "--json")) or "{}").get("modules", []):
            last = module.get("last_exit") or {"known": False}
            if last["known"]:
                by_code = last["code"] is not None
                number = last["code"] if by_code else int(getattr(signal, last["signal"] or "", 0))
                found[module["name"]] = ("code" if by_code else "signal", number)
        return {module_id: found[module_id] for module_id in module_ids if module_id in found}

    def down(self):
        self.call(self.run("down"), 60)
        link = self.path(".mark", "run")
        if os.path.islink(link):
            shutil.rmtree(os.readlink(link), ignore_errors=True)
