"""systemd as PID 1 of pid, mount, cgroup, uts and ipc namespaces of its own, with journald; nothing of the
host's systemd is touched. Needs root and a cgroup v2 hierarchy."""
import os
import shlex
import time

from peers.peer import GRACE_S, Peer
from processes import alive, descendants, exe_of, pid_inside

HIERARCHIES = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
UNIT_DIRS = ("/lib/systemd/system", "/usr/lib/systemd/system")
JOURNAL = "[Journal]\nStorage=volatile\nRuntimeMaxUse=4G\nRateLimitIntervalSec=0\nRateLimitBurst=0\n"
JOURNAL_UNITS = ("systemd-journald.service", "systemd-journald.socket")
TARGET = "[Unit]\nDefaultDependencies=no\nWants={wants}\n"
SERVICE = """\
[Unit]
DefaultDependencies=no
After=systemd-journald.socket
StartLimitIntervalSec=0
[Service]
{environment}
ExecStart={command}
Restart={restart}
RestartSec=0
TimeoutStopSec={grace_s}
LogRateLimitIntervalSec=0
"""


def hierarchy():
    return next((it for it in HIERARCHIES if os.path.exists(f"{it}/cgroup.procs")), None)


class Systemd(Peer):
    package, programs = "systemd", ("systemd", "systemctl", "journalctl", "unshare", "nsenter")
    order_is, stop_is = None, "systemctl stop"
    no_kill9 = "it is PID 1: with it everything ends (of a host: the kernel)"
    note = ("Restart=always RestartSec=0, KillMode=control-group, TimeoutStopSec=2; journald, volatile and "
            "without rate limit")

    @staticmethod
    def cannot():
        if os.geteuid() != 0:
            return "it needs root, for namespaces of its own"
        return None if hierarchy() else "there is no cgroup v2 hierarchy"

    def up(self, modules):
        self.ids = [module.id for module in modules]
        wants = [*JOURNAL_UNITS, *(f"{module.id}.service" for module in modules)]
        self.write("units/bench.target", TARGET.format(wants=" ".join(wants)))
        for name in JOURNAL_UNITS:
            place = next(it for it in UNIT_DIRS if os.path.exists(f"{it}/{name}"))
            with open(f"{place}/{name}") as file:
                self.write(f"units/{name}", file.read())
        for module in modules:
            lines = [f"Environment={name}={value}" for name, value in self.variables(module).items()]
            self.write(f"units/{module.id}.service", SERVICE.format(
                environment="\n".join(lines), command=self.kit.module, grace_s=GRACE_S,
                restart="always" if module.again else "no"))
        self.write("journald.conf", JOURNAL)
        self.again()

    def again(self):
        self.group = f"{hierarchy()}/mark-bench-{os.getpid()}-{os.path.basename(self.dir)}"
        os.makedirs(self.group, exist_ok=True)
        inside = " && ".join([
            "mount -t tmpfs tmpfs /run", "mount -t tmpfs tmpfs /var/log",
            "mount -t cgroup2 none /sys/fs/cgroup",
            "mkdir -p /run/systemd/journald.conf.d",
            f"cp {shlex.quote(self.path('journald.conf'))} /run/systemd/journald.conf.d/bench.conf",
            f"exec env container=bench SYSTEMD_UNIT_PATH={shlex.quote(self.path('units'))} "
            f"{self.kit.program('systemd')} --system --unit=bench.target --show-status=0 --log-level=warning "
            "--log-target=console",
        ])
        spaces = "--mount --pid --fork --cgroup --uts --ipc --mount-proc --kill-child"
        enter = (f"echo $$ > {shlex.quote(self.group)}/cgroup.procs && "
                 f"exec unshare {spaces} /bin/sh -c {shlex.quote(inside)}")
        self.launch(["/bin/sh", "-c", enter])

    def first(self):
        """PID 1 of the namespace, as the harness sees it; None: there is none yet."""
        below = descendants(self.command.pid)
        return next((pid for pid in below if os.path.basename(exe_of(pid)) == "systemd"), None)

    def roots(self):
        return [self.first() or self.command.pid]

    def inside(self, *argv):
        return ["nsenter", "-t", str(self.first()), "-m", "-p", "--", *argv]

    def stop(self):
        self.call(self.inside("systemctl", "stop", *(f"{it}.service" for it in self.ids)))

    def host_pid(self, pid):
        return next((it for it in self.tree() if pid_inside(it) == pid), 0)

    def log_command(self, module_id):
        return self.inside("journalctl", "-o", "cat", "-u", f"{module_id}.service")

    def exits(self, module_ids):
        """By `systemctl show`."""
        found = {}
        units = [f"{it}.service" for it in module_ids]
        for block in self.told(self.inside(
                "systemctl", "show", "-p", "Id,ExecMainCode,ExecMainStatus", *units)).split("\n\n"):
            facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            kind = {"1": "code", "2": "signal", "3": "signal"}.get(facts.get("ExecMainCode"))
            if kind:
                found[facts["Id"].removesuffix(".service")] = (kind, int(facts["ExecMainStatus"]))
        return found

    def down(self):
        first = self.first()
        if first:
            os.kill(first, 9)
        self.command.wait()
        while first and alive(first):
            time.sleep(0.02)
        for place, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(place)
