"""What an init weighs: its file, the time it adds to a start, its memory, its wake-ups."""
import concurrent.futures
import json
import os
import statistics
import struct
import tempfile

from table import MISSED, OK, Row, against_best, cells
from tools import BUILD, Subject, found, run

SIZE_LIMIT = 56 * 1024
RSS_LIMIT_KB = 72
START_LIMIT = 0.6
PROGRAM_INTERPRETER = 3  # PT_INTERP


def is_static(path):
    """Whether an ELF file names no dynamic linker (64-bit, the byte order of this machine)."""
    with open(path, "rb") as file:
        image = file.read()
    (table,) = struct.unpack_from("=Q", image, 32)
    entry_size, entries = struct.unpack_from("=HH", image, 54)
    return all(struct.unpack_from("=I", image, table + entry_size * index)[0] != PROGRAM_INTERPRETER for index in range(entries))


def size(bench):
    sizes = {subject.name: os.path.getsize(os.path.realpath(subject.path)) for subject in bench.everyone}
    static = {subject.name: is_static(subject.path) for subject in bench.everyone}
    said = {name: f"{sizes[name]:,} {'static' if static[name] else 'dynamic'}" for name in sizes}
    mine = bench.mine.name
    verdict = OK if sizes[mine] <= SIZE_LIMIT and static[mine] else MISSED
    return [Row("size, bytes", said[mine], f"≤ {SIZE_LIMIT:,}, static", verdict, said, data={"bytes": sizes, "static": static})]


def start(bench):
    true = found("true")
    # Without -s tini would also print a warning, which is not what is compared.
    commands = {subject.name: subject.running(true) for subject in bench.everyone}
    commands["tini-static"] = [found("tini-static"), "-s", "--", true]
    commands["nothing"] = [true]
    means = {name: [] for name in commands}
    for order in rotated(list(commands), bench.scale.start_rounds):
        for name, mean in hyperfine({name: commands[name] for name in order}, bench.scale.start_runs).items():
            means[name].append(mean * 1000)
    added = {name: [mean - nothing for mean, nothing in zip(means[name], means["nothing"])] for name in commands if name != "nothing"}
    ratio = against_best(added, bench.mine, bench.peers, min)
    shown = cells(added, "+{:.2f}")
    baseline = f"true {statistics.median(means['nothing']):.2f}"
    verdict = ratio.at_most(START_LIMIT)
    return [Row("start, ms added", shown[bench.mine.name], f"≤ {START_LIMIT} × the best", verdict, shown, baseline, str(ratio), means)]


def rotated(names, rounds):
    for number in range(rounds):
        first = number % len(names)
        yield names[first:] + names[:first]


def hyperfine(commands, runs):
    """The mean of each command, in seconds."""
    with tempfile.NamedTemporaryFile(dir=BUILD, suffix=".json") as report:
        lines = [" ".join(command) for command in commands.values()]
        run([found("hyperfine"), "-N", "--style", "none", "--warmup", "2", "--runs", str(runs), "--export-json", report.name, *lines])
        results = json.load(report)["results"]
    return {name: result["mean"] for name, result in zip(commands, results)}


def memory_and_idle(bench):
    """All at once: they only wait, and none of them shares pages with another. The kernel begins a stack at a random place in two
    pages (arch_align_stack), so memory is that of the median of several."""
    subjects = [*bench.everyone, Subject("tini", (found("tini"), "--"))]
    seconds = bench.scale.idle_seconds

    def idle(subject):
        return bench.measure("idle", seconds, *subject.running(*bench.load("pause")))

    with concurrent.futures.ThreadPoolExecutor(len(subjects)) as pool:
        seen = dict(zip((subject.name for subject in subjects), pool.map(idle, subjects)))
        for subject in subjects:
            again = [bench.measure("idle", 0, *subject.running(*bench.load("pause"))) for _ in range(bench.scale.memory_starts)]
            for kind in ("rss_kb", "pss_kb"):
                seen[subject.name][kind] = statistics.median_low(one[kind] for one in [seen[subject.name], *again])
    mine = seen[bench.mine.name]
    memory = {name: f"{one['rss_kb']} / {one['pss_kb']}" for name, one in seen.items()}
    memory["tini-static"] += f"; tini {memory['tini']}"
    wake_ups = {name: str(one["wake_ups"]) for name, one in seen.items()}
    return [
        Row("memory, kB RSS / PSS", memory[bench.mine.name], f"RSS ≤ {RSS_LIMIT_KB}", OK if mine["rss_kb"] <= RSS_LIMIT_KB else MISSED, memory, data=seen),
        Row(f"idle, wake-ups in {seconds} s", str(mine["wake_ups"]), "0", OK if mine["wake_ups"] == 0 else MISSED, wake_ups),
    ]
