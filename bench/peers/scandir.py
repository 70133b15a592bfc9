"""What s6 and runit share: a scan directory with a directory per service with a ./run, a supervisor
process for each, and a logger for each with a supervisor of its own. ./run is a line of sh."""
import glob

from peers.peer import Peer


class ServiceDirs(Peer):
    def up(self, modules):
        self.write("sv/.empty", "")
        for module in modules:
            exports = "".join(f"export {name}={value}\n" for name, value in self.variables(module).items())
            run = f"#!/bin/sh\n{exports}exec 2>&1\nexec {self.kit.module}\n"
            self.write(f"sv/{module.id}/run", run, 0o755)
            self.write(f"sv/{module.id}/log/run", self.logger(module.id), 0o755)
            for name, text in self.more_files(module).items():
                self.write(f"sv/{module.id}/{name}", text, 0o755)
        self.again()

    def logger(self, module_id):
        """The ./run of a module's logger."""
        raise NotImplementedError

    def more_files(self, module):
        return {}

    def roots(self):
        return [self.command.pid]

    def logs(self, module_id):
        return [*sorted(glob.glob(glob.escape(self.path("log", module_id)) + "/@*")),
                self.path("log", module_id, "current")]
