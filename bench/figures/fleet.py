"""boot, stop, pss, idle: a fleet of each size is booted and stopped again, once by the order that the
keeper takes directly (a signal) and once by its command; memory and idle CPU are taken in the first of
these lives."""
import statistics
import threading
import time

from kit import say
from peers.peer import Module
from processes import cpu_ns, memory_kb, pidfds, role_of, wait_gone
from report import number, ratios, table
from session import FAULTS, Failure

NS_PER_MS = 1e6
EMPTY = 0
FIGURES = ("first_ms", "boot_ms", "up_returns_ms", "order_gone_ms", "command_gone_ms", "command_returns_ms",
           "pss_mb", "private_mb", "processes", "idle_cpu_percent")


def measure(session):
    """`session.options.figures` says which of the four are wanted."""
    wanted = set(session.options.figures)
    sizes = session.options.sizes
    rows = {name: {} for name in session.names}
    for repetition in range(session.options.reps):
        for size in ([EMPTY] if repetition == 0 and wanted & {"pss", "idle"} else []) + sizes:
            for name in session.in_turn(rows):
                for how in ways(session, name, size, wanted):
                    with_footprint = repetition == 0 and how == ways(session, name, size, wanted)[0]
                    row = one_life(session, name, size, how, wanted if with_footprint else set())
                    if row is None:
                        rows.pop(name)
                        break
                    rows[name].setdefault(str(size), []).append(row)
            say(f"fleet of {size}: {repetition + 1} of {session.options.reps}")
    peers = {name: {size: medians(lives) for size, lives in rows[name].items()}
             for name in session.names if name in rows}
    return {"sizes": sizes, "rows": rows, "peers": peers}


def ways(session, name, size, wanted):
    """How its lives end; None: in any way."""
    peer = session.kind(name)
    if size == EMPTY or "stop" not in wanted:
        return [None]
    return [how for how, it in (("order", peer.order_is), ("command", peer.stop_is)) if it]


def one_life(session, name, size, how, footprint_of):
    place = session.place(name)
    modules = [Module(f"m{i}") for i in range(size)]
    try:
        row = boot(place, modules) if modules else empty(place)
        if footprint_of & {"pss", "idle"}:
            time.sleep(session.options.settle)
            own = place.peer.own()
            if "idle" in footprint_of:
                row["idle_cpu_percent"] = idle_cpu(own, session.options.idle)
            row.update(footprint(own))
        return {**row, **(stop(place.peer, size, how) if how else {})}
    except FAULTS as failure:
        session.fails(name, "fleet", failure)
        return None
    finally:
        place.leave()
        session.clean([place])


def boot(place, modules):
    """From the exec of the command to the last module's first instruction, and to the command's return."""
    found = place.start(modules)
    peer, since = place.peer, place.peer.command_start_ns
    firsts = [first_ns for _, first_ns in found.values()]
    row = {"first_ms": (min(firsts) - since) / NS_PER_MS, "boot_ms": (max(firsts) - since) / NS_PER_MS}
    if peer.comes_back:
        if peer.command.wait() != 0:
            raise Failure(f"its command ended with {peer.command.returncode}. {peer.said()}")
        row["up_returns_ms"] = (time.monotonic_ns() - since) / NS_PER_MS
    return row


def empty(place):
    place.peer.idle()
    if place.peer.comes_back:
        place.peer.command.wait()
    return {}


def idle_cpu(own, seconds):
    before, began = cpu_ns(own), time.monotonic()
    time.sleep(seconds)
    return (cpu_ns(own) - before) / 1e7 / (time.monotonic() - began)


def footprint(own):
    row = {"processes": 0, "pss_mb": 0.0, "private_mb": 0.0, "pss_by_role_mb": {}}
    for pid in own:
        role, sizes = role_of(pid), memory_kb(pid)
        if sizes is None:
            continue
        pss_mb, private_mb = (kb / 1024 for kb in sizes)
        row["processes"] += 1
        row["pss_mb"] += pss_mb
        row["private_mb"] += private_mb
        row["pss_by_role_mb"][role] = round(row["pss_by_role_mb"].get(role, 0) + pss_mb, 2)
    return row


def stop(peer, size, how):
    """From the order, or from the exec of the command, to the end of the last module."""
    running = peer.modules()
    if len(running) != size:
        raise Failure(f"{len(running)} of {size} modules ran when they were to be stopped")
    fds = pidfds(running)
    returned = []
    ask = peer.order if how == "order" else peer.stop
    asked_ns = time.monotonic_ns()
    asking = threading.Thread(target=lambda: (ask(), returned.append(time.monotonic_ns())))
    asking.start()
    gone_ns, left = wait_gone(fds)
    asking.join()
    if left or not returned:
        raise Failure(f"{len(left)} of {size} modules did not end ({how})")
    row = {f"{how}_gone_ms": (gone_ns - asked_ns) / NS_PER_MS}
    return row if how == "order" else {**row, "command_returns_ms": (returned[0] - asked_ns) / NS_PER_MS}


def medians(lives):
    known = {figure: [row[figure] for row in lives if figure in row] for figure in FIGURES}
    summary = {figure: statistics.median(values) for figure, values in known.items() if values}
    roles = next((row["pss_by_role_mb"] for row in lives if "pss_by_role_mb" in row), None)
    return {**summary, "pss_by_role_mb": roles} if roles else summary


def pick(result, size, figure):
    peers = result["peers"]
    return {name: at[str(size)][figure] for name, at in peers.items() if figure in at.get(str(size), {})}


def show(result):
    for size in result["sizes"]:
        boots = pick(result, size, "boot_ms")
        firsts, backs = pick(result, size, "first_ms"), pick(result, size, "up_returns_ms")
        table(f"boot of {size}: exec of the command -> first instruction of the first and of the last module",
              ["peer", "first ms", "last ms", "/raw", "/pm2", "command back ms"],
              [[name, firsts[name], boots[name], *ratios(boots, name), backs.get(name)] for name in boots])
        orders, commands = pick(result, size, "order_gone_ms"), pick(result, size, "command_gone_ms")
        backs = pick(result, size, "command_returns_ms")
        if orders or commands:
            table(f"stop of {size}: order (a signal) or exec of the command -> end of the last module",
                  ["peer", "order ms", "/raw", "/pm2", "command ms", "/pm2", "command back ms"],
                  [[name, orders.get(name), *ratios(orders, name), commands.get(name),
                    ratios(commands, name)[1], backs.get(name)] for name in result["peers"]])
    show_footprint(result)


def show_footprint(result):
    sizes = [EMPTY, *result["sizes"]]
    pss = {size: pick(result, size, "pss_mb") for size in sizes}
    idle = {size: pick(result, size, "idle_cpu_percent") for size in sizes}
    largest = max(sizes)
    if pss[largest]:
        processes, private = pick(result, largest, "processes"), pick(result, largest, "private_mb")
        head = ["peer", "processes", *(f"MB at {size}" for size in sizes), "/raw", "/pm2", "KB a module",
                f"private MB at {largest}"]
        rows = [[name, processes[name], *(pss[size].get(name) for size in sizes), *ratios(pss[largest], name),
                 slope_kb(result, name), private[name]] for name in pss[largest]]
        table("pss: keeper and all helpers", head, rows)
        for name, sizes_of in result["peers"].items():
            roles = sizes_of[str(largest)].get("pss_by_role_mb", {})
            text = ", ".join(f"{role} {number(mb)}" for role, mb in sorted(roles.items()))
            print(f"  {name} at {largest}, MB: {text}")
    if idle[largest]:
        table("idle: CPU in % of one core; MARK meters each module once a second, the others do not",
              ["peer", *(f"at {size}" for size in sizes)],
              [[name, *(idle[size].get(name) for size in sizes)] for name in idle[largest]])


def slope_kb(result, name):
    """KB of PSS that a module adds, between the empty keeper and the largest fleet."""
    largest = max(result["sizes"])
    nothing, full = pick(result, EMPTY, "pss_mb").get(name), pick(result, largest, "pss_mb").get(name)
    return None if nothing is None or full is None else (full - nothing) * 1024 / largest
