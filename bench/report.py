"""Turns samples into tables: absolute figures, and each beside the limit (raw) and pm2. Measures nothing."""
import statistics


def percentile(values, share):
    """Nearest rank: the smallest value that `share` percent of all do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, int(rank) - 1)]


def crash_summary(samples):
    return {
        name: {
            "n": len(values), "p50_ms": percentile(values, 50), "p95_ms": percentile(values, 95),
            "p99_ms": percentile(values, 99), "max_ms": max(values),
        } for name, values in samples.items() if values
    }


FIGURES = ("first_ms", "boot_ms", "up_returns_ms", "stop_ms", "stop_returns_ms",
           "pss_mb", "private_mb", "processes", "idle_cpu_percent")


def fleet_summary(rows):
    """Medians over the repetitions: {peer: {size: {figure: value}}}."""
    return {
        name: {
            size: {
                **{
                    figure: statistics.median([row[figure] for row in lives if figure in row])
                    for figure in FIGURES if any(figure in row for row in lives)
                },
                "pss_by_role_mb": lives[0]["pss_by_role_mb"],
            } for size, lives in sizes.items()
        } for name, sizes in rows.items() if sizes
    }


def number(value):
    if value is None:
        return "-"
    if isinstance(value, (str, int)):
        return str(value)
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def table(title, head, rows):
    cells = [head, *[[number(value) for value in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        first, *others = [cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join([first, *others]).rstrip())


def ratios(values, name):
    """A figure beside raw's and beside pm2's."""
    own = values.get(name)
    return [own / values[peer] if own is not None and values.get(peer) else None for peer in ("raw", "pm2")]


def print_crash(summary, options):
    head = ["peer", "n", "p50 ms", "p95", "p99", "max", "p50/raw", "p50/pm2", "p99/raw", "p99/pm2"]
    p50 = {name: row["p50_ms"] for name, row in summary.items()}
    p99 = {name: row["p99_ms"] for name, row in summary.items()}
    rows = [[name, *row.values(), *ratios(p50, name), *ratios(p99, name)] for name, row in summary.items()]
    title = "1. Crash: kill -9 -> first instruction of the next instance"
    table(f"{title} (restart delay 0, modules older than {options.age:g} s, {options.crash_modules} a peer)",
          head, rows)


def print_fleet(summary, size):
    full = {name: sizes[str(size)] for name, sizes in summary.items() if str(size) in sizes}
    empty = {name: sizes["0"] for name, sizes in summary.items() if "0" in sizes}

    def pick(rows, figure):
        return {name: row[figure] for name, row in rows.items() if figure in row}

    head = ["peer", "first ms", "last ms", "/raw", "/pm2", "command back ms"]
    boots = pick(full, "boot_ms")
    rows = [[name, row.get("first_ms"), row.get("boot_ms"), *ratios(boots, name), row.get("up_returns_ms")]
            for name, row in full.items()]
    title = "exec of the command -> first instruction of the first and of the last module"
    table(f"2. Boot of {size}: {title}", head, rows)

    head = ["peer", "all gone ms", "/raw", "/pm2", "command back ms"]
    stops = pick(full, "stop_ms")
    rows = [[name, row.get("stop_ms"), *ratios(stops, name), row.get("stop_returns_ms")]
            for name, row in full.items()]
    table(f"3. Stop of {size}: exec of the command -> end of the last module", head, rows)

    head = ["peer", "processes", "PSS MB at 0", f"at {size}", "/raw", "/pm2", f"private MB at {size}",
            "idle CPU % at 0", f"at {size}"]
    sizes = pick(full, "pss_mb")
    rows = []
    for name, row in full.items():
        at_0 = empty.get(name, {})
        rows.append([name, int(row["processes"]), at_0.get("pss_mb"), row["pss_mb"], *ratios(sizes, name),
                     row["private_mb"], at_0.get("idle_cpu_percent"), row.get("idle_cpu_percent")])
    table("4. Footprint of keeper, daemon and helpers (idle CPU in % of one core)", head, rows)
    for name, row in full.items():
        roles = ", ".join(f"{role} {number(pss)}" for role, pss in sorted(row["pss_by_role_mb"].items()))
        print(f"  {name} at {size}, PSS MB: {roles}")
