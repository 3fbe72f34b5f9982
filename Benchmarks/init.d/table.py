"""Rows, what is wanted of them, and how they are printed."""
import json
import math
import os
import platform
import statistics
import textwrap
from dataclasses import dataclass, field

from tools import run

OK, TIE, MISSED = "ok", "ok (tie)", "MISSED"


@dataclass
class Row:
    """One line of the table. `beside` has a cell for each peer, `baseline` what else it is compared with."""

    what: str
    mine: str
    wanted: str
    verdict: str
    beside: dict = field(default_factory=dict)
    baseline: str = ""
    ratio: str = ""
    data: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, with the 95 % interval of that median (by order statistics)."""

    median: float
    low: float
    high: float
    against: str = ""

    @classmethod
    def of(cls, mine, others, against=""):
        ratios = sorted(own / other for own, other in zip(mine, others))
        outside = max(0, math.floor((len(ratios) - 1.96 * math.sqrt(len(ratios))) / 2))
        return cls(statistics.median(ratios), ratios[outside], ratios[-1 - outside], against)

    def at_most(self, limit):
        return OK if self.median <= limit else MISSED

    def at_least_equal(self):
        return OK if self.median >= 1 else TIE if self.high >= 1 else MISSED

    def __str__(self):
        return f"{self.median:.2f} [{self.low:.2f}–{self.high:.2f}]" + (f" of {self.against}" if self.against else "")


def against_best(series, mine, peers, best):
    """The ratio to that peer beside which `mine` looks worst. `best` is min or max, by what a good figure is."""
    ratios = [Ratio.of(series[mine.name], series[peer.name], peer.name) for peer in peers]
    worst = max if best is min else min
    return worst(ratios, key=lambda ratio: ratio.median)


def cells(series, form):
    """The median of each series as a cell."""
    return {name: form.format(statistics.median(values)) for name, values in series.items()}


def machine(bench):
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "scale": bench.scale.name,
        "packages": run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "dumb-init", "tini", "catatonit"]).split("\n")[:-1],
    }


def print_table(rows, bench):
    about = machine(bench)
    peers = [peer.name for peer in bench.peers]
    header = ["what", bench.mine.name, *peers, "baseline", "ratio", "wanted", "verdict"]
    lines = [[row.what, row.mine, *(row.beside.get(peer, "") for peer in peers), row.baseline, row.ratio, row.wanted, row.verdict] for row in rows]
    print(f"lastcall-init beside {', '.join(about['packages'])}; {about['cores']} cores, {about['machine']}, Linux {about['kernel']}, {bench.scale.name} run\n")
    for line in wrapped([header, ["-"], *lines]):
        print(line)
    missed = [row.what for row in rows if row.verdict == MISSED]
    print("\n" + (f"missed: {'; '.join(missed)}" if missed else "nothing missed"))


def wrapped(lines, limit=24):
    """Lines of a table whose long cells continue below."""
    split = [[textwrap.wrap(cell, limit) or [""] for cell in line] for line in lines]
    widths = [max(len(part) for line in split if len(line) > column for part in line[column]) for column in range(len(lines[0]))]
    for line in split:
        if line == [["-"]]:
            yield "  ".join("-" * width for width in widths)
            continue
        for depth in range(max(map(len, line))):
            parts = [cell[depth] if depth < len(cell) else "" for cell in line]
            yield "  ".join(part.ljust(width) for part, width in zip(parts, widths)).rstrip()


def write_json(path, rows, bench):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": machine(bench), "rows": [vars(row) for row in rows]}, file, indent=1, ensure_ascii=False)
        file.write("\n")
