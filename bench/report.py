"""What every figure prints with: tables, and each value beside the limit (raw) and pm2. Measures nothing."""


def percentile(values, share):
    """Nearest rank: the smallest value that `share` percent of all do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, int(rank) - 1)]


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
