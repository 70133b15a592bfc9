"""Processes as the harness sees them in /proc: who descends from it, what they cost, when they are gone.
Everything measured stays below the harness (it is a subreaper), so it ends only what it started itself.
Never signals a process that does not descend from it; never polls for a moment that is measured."""
import ctypes
import os
import select
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def become_subreaper():
    """From now on whatever a peer leaves behind becomes a child of this process instead of init's."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def stat(pid):
    """Fields of /proc/PID/stat from the state on ([0] state, [1] ppid, ...), or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


def alive(pid):
    fields = stat(pid)
    return fields is not None and fields[0] not in "ZX"


def descendants(root):
    """All processes below this one, parents before their children."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found = []
    todo = [root]
    while todo:
        for pid in children.get(todo.pop(), []):
            found.append(pid)
            todo.append(pid)
    return found


def exe_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def arguments_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def pid_inside(pid):
    """The pid it has in the innermost pid namespace it lives in; 0: it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[-1]) for line in file if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return 0


def variables_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = [text.partition("=") for text in file.read().decode(errors="replace").split("\0")]
    except OSError:
        return {}
    return {name: value for name, _, value in pairs}


def started_ticks(pid):
    """Tells two processes of one pid apart; None: it is gone or a zombie."""
    fields = stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def lock_holder(path):
    """Pid of the process that holds a flock(2) on the file; None: nobody, or there is no file."""
    try:
        inode = os.stat(path).st_ino
        with open("/proc/locks") as file:
            rows = [line.split() for line in file]
    except OSError:
        return None
    # A row of one who waits has "->" in its second place. The device is left out: it differs on btrfs.
    held = [row for row in rows if row[1] == "FLOCK" and row[5].rpartition(":")[2] == str(inode)]
    return int(held[0][4]) if held else None


def is_niced(pid):
    fields = stat(pid)
    return fields is not None and int(fields[16]) > 0


def role_of(pid):
    """A word for what a process does: the program of a script (`keeper/main.ts`), else its own name."""
    for argument in arguments_of(pid)[1:]:
        if argument.endswith((".ts", ".js")) and os.path.basename(exe_of(pid)) == "node":
            return "/".join(argument.split("/")[-2:])
    return os.path.basename(exe_of(pid)) or "?"


def cpu_ns(pids):
    """CPU time of these processes so far: the scheduler's count of each thread, and children they reaped."""
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        except OSError:
            continue
        fields = stat(pid)
        if fields:
            total += (int(fields[13]) + int(fields[14])) * TICK_NS
    return total


def memory_kb(pid):
    """(PSS, private) of a process in KB; PSS shares a page out among all that map it. None: it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    sizes = {line[0]: int(line[1]) for line in lines if len(line) == 3}
    return sizes.get("Pss:", 0), sizes.get("Private_Clean:", 0) + sizes.get("Private_Dirty:", 0)


def pidfds(pids):
    """{fd: pid}, to be opened before anything is asked to stop. Those that are gone already are left out."""
    opened = {}
    for pid in pids:
        try:
            opened[os.pidfd_open(pid)] = pid
        except ProcessLookupError:
            pass
    return opened


def wait_gone(fds, timeout_s=120):
    """Monotonic ns at which the last of `pidfds(...)` ended, and the pids that did not. Closes the fds."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    last = time.monotonic_ns()
    while fds and time.monotonic() < deadline:
        for fd, _ in poll.poll(200):
            poll.unregister(fd)
            os.close(fd)
            del fds[fd]
            last = time.monotonic_ns()
    left = list(fds.values())
    for fd in fds:
        os.close(fd)
    return last, left


def reap():
    """Takes the exit of every child that ended and that nobody waits for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_everything(tries=100):
    """Ends all that still descends from the harness, keepers before what they keep, until nothing is left."""
    for _ in range(tries):
        left = [pid for pid in descendants(os.getpid()) if alive(pid)]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        if not left:
            return
        time.sleep(0.05)
    raise RuntimeError(f"processes that do not end: {left}")
