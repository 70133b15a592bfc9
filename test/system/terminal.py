"""Runs a command on a terminal of its own and does as told on stdin, a word a line: `int` types Ctrl-C,
`hup` hangs the terminal up, `kill` sends SIGKILL. Copies what the command prints to stdout; the last line
is `ended N`."""

import os
import pty
import select
import signal
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

open_fds = [0, terminal]
while True:
    for fd in select.select(open_fds, [], [], 0.05)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            open_fds.remove(fd)
        elif fd == terminal:
            os.write(1, data)
        else:
            for word in data.decode().split():
                if word == "int":
                    os.write(terminal, b"\x03")
                elif word == "hup":
                    open_fds.remove(terminal)
                    os.close(terminal)
                elif word == "kill":
                    os.kill(pid, signal.SIGKILL)
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break
code = os.waitstatus_to_exitcode(status)
os.write(1, f"\nended {code}\n".encode())
