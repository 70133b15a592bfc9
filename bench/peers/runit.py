"""runit: runsvdir, a runsv and an svlogd for each module. It waits a second before ./run of a module that
lived for less than one."""
import os
import signal

from peers.peer import GRACE_S, LOG_FILE_BYTES, LOG_FILES_KEPT
from peers.scandir import ServiceDirs

# What runsv tells ./finish: the code, or -1; then the low byte of the status, which is the signal.
FINISH = "#!/bin/sh\necho $1 $2 > ended.new\nmv ended.new ended\n"
STAY_DOWN = "printf d > supervise/control\n"


class Runit(ServiceDirs):
    package, programs = "runit", ("runsvdir", "runsv", "svlogd", "sv")
    order_is = "SIGHUP to runsvdir"
    stop_is = "sv force-stop"
    note = "svlogd for each module; `sv force-stop` after 2 s where a module is stubborn"

    def logger(self, module_id):
        self.write(f"log/{module_id}/config", f"s{LOG_FILE_BYTES}\nn{LOG_FILES_KEPT}\n")
        return f"#!/bin/sh\nexec {self.kit.program('svlogd')} {self.path('log', module_id)}\n"

    def more_files(self, module):
        return {} if module.again else {"finish": FINISH + STAY_DOWN}

    def again(self):
        self.launch([self.kit.program("runsvdir"), "-P", self.path("sv")])

    def order(self):
        os.kill(self.command.pid, signal.SIGHUP)

    def stop(self):
        names = sorted(name for name in os.listdir(self.path("sv")) if not name.startswith("."))
        services = [self.path("sv", name) for name in names]
        self.call([self.kit.program("sv"), "-w", str(GRACE_S), "force-stop", *services])

    def exits(self, module_ids):
        """`sv status` and supervise/ tell since when a module is down, not how it ended."""
        return {}

    def hooked_exits(self, module_ids):
        found = {}
        for module_id in module_ids:
            words = self.text(f"sv/{module_id}/ended").split()
            if len(words) == 2:
                code, low_byte = map(int, words)
                found[module_id] = ("code", code) if code >= 0 else ("signal", low_byte & 0x7F)
        return found
