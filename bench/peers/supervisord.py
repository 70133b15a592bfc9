"""supervisord in the foreground. It starts modules on the tick of its loop, once a second, and has no setting
for that; startsecs=0 so that a crash never counts as a failed start."""
import glob
import os
import re
import signal

from peers.peer import GRACE_S, LOG_FILE_BYTES, LOG_FILES_KEPT, Peer

ENDED = re.compile(r"exited: (\S+) \((?:exit status (\d+)|terminated by (\w+))")
FLEET = """\
[supervisord]
nodaemon=true
logfile={dir}/supervisord.log
logfile_maxbytes=0
pidfile={dir}/supervisord.pid
childlogdir={dir}
minfds=8192
[unix_http_server]
file={dir}/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{dir}/sock
"""
PROGRAM = """\
[program:{id}]
command={command}
environment={environment}
autorestart={again}
startsecs=0
startretries=1000000
stopasgroup=true
killasgroup=true
stopwaitsecs={grace_s}
redirect_stderr=true
stdout_logfile={dir}/{id}.log
stdout_logfile_maxbytes={log_bytes}
stdout_logfile_backups={log_files}
"""


class Supervisord(Peer):
    package, programs = "supervisor", ("supervisord", "supervisorctl")
    stop_is = "supervisorctl stop all"
    note = "autorestart, startsecs=0, stopasgroup, killasgroup, stopwaitsecs=2"

    def up(self, modules):
        parts = [FLEET.format(dir=self.dir)]
        for module in modules:
            parts.append(PROGRAM.format(
                id=module.id, command=self.kit.module, dir=self.dir, grace_s=GRACE_S,
                environment=",".join(f'{name}="{value}"' for name, value in self.variables(module).items()),
                again="true" if module.again else "false",
                log_bytes=LOG_FILE_BYTES, log_files=LOG_FILES_KEPT))
        self.write("supervisord.ini", "".join(parts))
        self.again()

    def again(self):
        self.launch([self.kit.program("supervisord"), "-c", self.path("supervisord.ini")])

    def roots(self):
        return [self.command.pid]

    def order(self):
        os.kill(self.command.pid, signal.SIGTERM)

    def stop(self):
        self.call([self.kit.program("supervisorctl"), "-c", self.path("supervisord.ini"), "stop", "all"])

    def logs(self, module_id):
        older = glob.glob(glob.escape(self.path(f"{module_id}.log")) + ".*")
        older.sort(key=lambda path: -int(path.rpartition(".")[2]))
        return [*older, self.path(f"{module_id}.log")]

    def exits(self, module_ids):
        """By its log; `supervisorctl status` says only EXITED and when."""
        found = {}
        for module_id, code, name in ENDED.findall(self.text("supervisord.log")):
            known = bool(code) or hasattr(signal, name)
            if known:
                found[module_id] = ("code", int(code)) if code else ("signal", int(signal.Signals[name]))
        return {module_id: found[module_id] for module_id in module_ids if module_id in found}
