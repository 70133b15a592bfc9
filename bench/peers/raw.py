"""The physical limit: c/raw-keeper.c, which remembers nothing and tells nobody."""
import os
import signal

from peers.peer import Peer


class Raw(Peer):
    note = "vfork, execve, waitpid; output straight into a file that nobody rotates"

    def up(self, modules):
        lines = []
        for module in modules:
            variables = [f"{name}={value}" for name, value in self.variables(module).items()]
            lines.append(" ".join([self.path(f"{module.id}.log"), self.kit.module, *variables]) + "\n")
        self.write("conf", "".join(lines))
        self.again()

    def again(self):
        self.launch([self.kit.raw_keeper, self.path("conf")])

    def roots(self):
        return [self.command.pid]

    def order(self):
        os.kill(self.command.pid, signal.SIGTERM)

    def logs(self, module_id):
        return [self.path(f"{module_id}.log")]
