"""What came of the numbered lines of c/module.c: counts lines that are missing, doubled or torn over all
files of a module's log, plain or compressed, taken as one stream."""
import os
import shutil
import subprocess

LINE = 100
DIGITS = 12
BLOCK = 1 << 20
UNPACK = "fs.createReadStream(process.argv[1]).pipe(zlib.createZstdDecompress()).pipe(process.stdout)"


def stream(peer, module_id):
    """Blocks of the whole log, oldest first."""
    command = peer.log_command(module_id)
    if command:
        yield from output_of(command)
        return
    for path in peer.logs(module_id):
        if path.endswith(".zst"):
            program = shutil.which("zstd")
            yield from output_of([program, "-dcq", path] if program else [peer.kit.node, "-e", UNPACK, path])
        elif os.path.exists(path):
            with open(path, "rb") as file:
                while block := file.read(BLOCK):
                    yield block


def output_of(argv):
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, **quiet) as it:
        while block := it.stdout.read(BLOCK):
            yield block


def lines_of(peer, module_id):
    carry = b""
    for block in stream(peer, module_id):
        *lines, carry = (carry + block).split(b"\n")
        yield from lines
    if carry:
        yield carry


def number_of(line):
    """None: it is torn."""
    whole = len(line) == LINE - 1 and line[:DIGITS].isdigit() and line.strip(b"x")[DIGITS:] == b" "
    return int(line[:DIGITS]) if whole else None


def count(peer, module_id, total):
    """Of a module that printed `total` lines."""
    seen = bytearray(total)
    row = {"lines": 0, "lost": 0, "doubled": 0, "torn": 0}
    for line in lines_of(peer, module_id):
        number = number_of(line)
        row["lines"] += 1
        if number is None or number >= total:
            row["torn"] += 1
        elif seen[number]:
            row["doubled"] += 1
        else:
            seen[number] = 1
    row["lost"] = total - sum(seen)
    return row


def gaps(peer, module_id):
    """(lines missing between others, torn) of a module that may have been started several times."""
    missing = torn = 0
    last = -1
    for line in lines_of(peer, module_id):
        number = number_of(line)
        if number is None:
            torn += 1
            continue
        # A new instance begins at 0.
        missing += max(0, number - last - 1)
        last = number
    return missing, torn


def size_of(peer, module_id):
    """Changes while anything is still being written or moved."""
    def at(path):
        try:
            return os.path.getsize(path)
        except OSError:
            return -1
    return [(path, at(path)) for path in peer.logs(module_id)]
