"""s6: s6-svscan, an s6-supervise and an s6-log for each module. It starts ./run at most once a second."""
import os
import re
import signal

from peers.peer import GRACE_S, LOG_FILE_BYTES, LOG_FILES_KEPT
from peers.scandir import ServiceDirs

DEATH = re.compile(r"(exitcode|signal) (\w+)")
STOP_ALL = "cd sv && for s in *; do s6-svc -d $s & done; wait; exec s6-svwait -t 60000 -D *"


class S6(ServiceDirs):
    package, programs = "s6", ("s6-svscan", "s6-svc", "s6-svwait", "s6-svdt", "s6-log")
    order_is = "SIGTERM to s6-svscan (s6-svscanctl -t)"
    stop_is = "s6-svc -d each, s6-svwait -D all"
    note = "s6-log -b for each module, timeout-kill 2 s"

    def logger(self, module_id):
        self.write(f"log/{module_id}/.made", "")
        rules = f"-b n{LOG_FILES_KEPT} s{LOG_FILE_BYTES} {self.path('log', module_id)}"
        return f"#!/bin/sh\nexec {self.kit.program('s6-log')} {rules}\n"

    def more_files(self, module):
        files = {"timeout-kill": f"{GRACE_S * 1000}\n"}
        # Exit 125 of ./finish: do not start it again.
        return files if module.again else {**files, "finish": "#!/bin/sh\nexit 125\n"}

    def again(self):
        self.launch([self.kit.program("s6-svscan"), "-c", "2000", "-t", "0", self.path("sv")])

    def order(self):
        os.kill(self.command.pid, signal.SIGTERM)

    def stop(self):
        self.call(["/bin/sh", "-c", STOP_ALL])

    def exits(self, module_ids):
        """By s6-svdt, its tally of deaths."""
        found = {}
        for module_id in module_ids:
            deaths = DEATH.findall(self.told([self.kit.program("s6-svdt"), self.path("sv", module_id)]))
            if deaths:
                kind, what = deaths[-1]
                number = int(what) if what.isdigit() else int(getattr(signal, what, 0))
                found[module_id] = ("code" if kind == "exitcode" else "signal", number)
        return found
