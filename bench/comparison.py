"""Turns a file of results into docs/comparison.md: supervisors on what counts when something dies. Every
cell comes from a figure of that file, and where MARK is behind, its cell says behind whom. Invents
nothing: what was not measured is called so."""
from figures import fleet, kill9, orphans
from report import number
from roster import kind_of

COLUMNS = ("pm2", "supervisord", "s6", "runit", "systemd", "MARK")
# Closer than this two times or sizes are equal: the machine's other work moves them more.
NOISE = 1.05


class Results:
    def __init__(self, result):
        self.result = result
        self.figures = result["figures"]

    def name_of(self, figure, column):
        """MARK is what the npm package holds; the checkout's own sources where only they were measured."""
        if column != "MARK":
            return column
        return "mark-built" if "mark-built" in self.figures[figure]["peers"] else "mark"

    def row(self, figure, column):
        """What was measured of it; None: nothing."""
        return self.figures.get(figure, {"peers": {}})["peers"].get(
            self.name_of(figure, column)) if figure in self.figures else None

    def why_not(self, figure, column):
        names = ("mark-built", "mark") if column == "MARK" else (column,)
        if figure in self.figures:
            for name in names:
                if name in self.result["skipped"]:
                    return "not installed"
                if f"{name} ({figure})" in self.result["failed"]:
                    return "failed"
        return "not measured"


def rows_of(results):
    """[(title, command, figure, cell)], where cell(row of a peer) is (text, badness or None)."""
    found = [
        ("Supervisor killed -9: modules that print", "kill9", "kill9",
         killed("printing", ("live", "one dies", "die"))),
        ("… and started again: who runs", "kill9", "kill9", doubled),
        ("… exit of a module that died meanwhile", "kill9", "kill9",
         killed("exit", ("right", "lost", "wrong"))),
        ("Left of 3 stubborn processes after a crash", "orphans", "orphans", left("crash")),
        ("… after a stop", "orphans", "orphans", left("stop")),
        ("Exits told right / lost / wrong", "exits", "exits", exit_truth),
        ("Log lines lost / doubled / torn", "log", "log", lines),
        ("… a module's time to print, beside a plain file", "log", "log", print_time(results)),
        ("… CPU of the supervisor, s/GB", "log", "log", figure_cell("cpu_all_s_per_gb")),
        ("Crash to first instruction, p50 / p99 ms", "crash", "crash", crash),
    ]
    sizes = results.figures.get("fleet", {}).get("sizes", [])
    for size in sizes:
        found.append((f"Boot of {size}, ms", "boot", "fleet", sized(size, "boot_ms")))
        found.append((f"Stop of {size} by a signal to it, ms", "stop", "fleet", sized(size, "order_gone_ms")))
        found.append((f"Stop of {size} by its command, ms", "stop", "fleet", sized(size, "command_gone_ms")))
    for size in [0, *sizes] if sizes else []:
        found.append((f"Memory (PSS) at {size}, MB", "pss", "fleet", sized(size, "pss_mb")))
    if sizes:
        most = max(sizes)
        found.append((f"… of it private at {most}, MB", "pss", "fleet", sized(most, "private_mb")))
        found.append(("… KB a module", "pss", "fleet", None))
        found.append((f"Idle CPU at {most}, % of a core (MARK meters each module at 1 Hz)", "idle", "fleet",
                      sized(most, "idle_cpu_percent")))
    return found


def killed(what, order):
    def cell(row):
        said = kill9.words(row)[what]
        if "not_comparable" in row:
            return f"{said} (it is PID 1)" if what == "printing" else "not comparable", None
        return said, order.index(said)
    return cell


def doubled(row):
    if "not_comparable" in row:
        return "not comparable", None
    said = kill9.words(row)["doubled"]
    return said, 0 if said == "each once" else 1


def left(when):
    return lambda row: (orphans.words(row[when]), len(row[when]["left"]))


def exit_truth(row):
    told, hooked = row["told"], row["hooked"]
    by_hook = f" ({hooked['right']} right by a ./finish of one's own)" if hooked else ""
    return f"{told['right']} / {told['lost']} / {told['wrong']}{by_hook}", told["lost"] + told["wrong"]


def lines(row):
    faults = [int(row[it]) for it in ("lost", "doubled", "torn")]
    return f"{' / '.join(map(str, faults))} of {int(row['mb'])} MB, {int(row['files'])} files", sum(faults)


def print_time(results):
    raw = results.figures.get("log", {"peers": {}})["peers"].get("raw")
    def cell(row):
        if raw is None:
            return number(row["module_s_per_gb"]) + " s/GB", row["module_s_per_gb"]
        ratio = row["module_s_per_gb"] / raw["module_s_per_gb"]
        return f"{number(ratio)}x", ratio
    return cell


def figure_cell(figure):
    return lambda row: (number(row[figure]), row[figure])


def crash(row):
    return f"{number(row['p50_ms'])} / {number(row['p99_ms'])}", row["p50_ms"]


def sized(size, figure):
    def cell(row):
        value = row.get(str(size), {}).get(figure)
        return ("it has no such way" if "gone" in figure else "not measured", None) if value is None \
            else (number(value), value)
    return cell


def slope(results, column):
    value = fleet.slope_kb(results.figures["fleet"], results.name_of("fleet", column))
    return ("not measured", None) if value is None else (number(value), value)


def cells_of(results, figure, cell):
    told = {}
    for column in COLUMNS:
        row = results.row(figure, column)
        if row is None:
            told[column] = (results.why_not(figure, column), None)
        else:
            told[column] = slope(results, column) if cell is None else cell(row)
    return told


def line(results, title, command, figure, cell):
    told = cells_of(results, figure, cell)
    mark = told["MARK"][1]
    better = [(column, bad) for column, (_, bad) in told.items()
              if column != "MARK" and mark is not None and bad is not None and bad * NOISE < mark]
    texts = [text for text, _ in told.values()]
    if better:
        ahead = ", ".join(column for column, _ in sorted(better, key=lambda it: it[1]))
        texts[-1] = f"{texts[-1]}; **behind** {ahead}"
    return f"| {title}<br>`npm run bench -- {command}` | " + " | ".join(texts) + " |"


def page(result):
    results = Results(result)
    options, facts = result["options"], result["host"]
    programs = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    how = "--quick" if options["quick"] else "all figures"
    return "\n".join([
        "# MARK beside what people use",
        "",
        f"Measured {result['when'][:10]} in one run ({how}, seed {result['seed']}) on "
        f"{facts['cpus']} x {facts['cpu']}, Linux {facts['kernel']},",
        f"load {facts['load'][0]} at its start, with {programs}.",
        "Every supervisor keeps the same static C program. Each row names the command that measures it;",
        "[bench](../bench/README.md) says what exactly. Where MARK is **behind** (by more than "
        f"{round((NOISE - 1) * 100)} %), its cell says so.",
        "",
        "| | " + " | ".join(COLUMNS) + " |",
        "|---|" + "---|" * len(COLUMNS),
        *(line(results, *row) for row in rows_of(results) if row[2] in results.figures),
        "",
        "Times depend on the machine and on what else it does: compare them within a row only. Configured:",
        "",
        *(f"- {column}: {kind_of(column.lower()).note}" for column in COLUMNS),
        "",
        "Made by: `npm run bench -- --out results.json`, then `npm run bench -- table results.json`.",
    ])
