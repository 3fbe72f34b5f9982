"""Rows, what is wanted of them, and how they are printed."""
import os
import platform
import statistics
from dataclasses import dataclass, field

from tools import run

OK, MISSED = "ok", "MISSED"
PACKAGES = ("supervisor", "s6", "runit")


@dataclass
class Row:
    """One line of the table: a cell for each manager, and how lastcall's figure compares."""

    what: str
    cells: dict
    ratios: str = ""
    wanted: str = ""
    verdict: str = ""
    data: dict = field(default_factory=dict)


def medians(series):
    return {name: statistics.median(values) for name, values in series.items() if values}


def compared(what, form, series, wanted="", is_met=None):
    """A row in which less is better. `is_met` is told lastcall's figure, supervisord's, and the best of the peers'."""
    figures = medians(series)
    peers = {name: value for name, value in figures.items() if name != "lastcall"}
    row = Row(what, {name: form.format(value) for name, value in figures.items()}, wanted=wanted, data=series)
    if "lastcall" not in figures or not peers:
        return row
    mine, best = figures["lastcall"], min(peers, key=peers.get)
    said = []
    if "supervisord" in peers:
        said.append(f"{ratio(mine, peers['supervisord'])} of supervisord")
    if best != "supervisord":
        said.append(f"{ratio(mine, peers[best])} of {best}")
    row.ratios = ", ".join(said)
    if is_met and "supervisord" in peers:
        row.verdict = OK if is_met(mine, peers["supervisord"], peers[best]) else MISSED
    return row


def ratio(mine, other):
    return f"{mine / other:.2f}" if other else "-"


def machine():
    versions = run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES]).split("\n")[:-1]
    return {
        "kernel": platform.release(), "machine": platform.machine(), "cores": os.cpu_count(), "load_average": os.getloadavg()[0],
        "packages": versions, "lastcall": os.environ["BENCH_LASTCALL"],
    }


def print_table(rows, names, title):
    about = machine()
    print(f"{title}; {', '.join(about['packages'])}; {about['cores']} cores, {about['machine']}, Linux {about['kernel']}, "
          f"load average {about['load_average']:.1f}\n")
    header = ["what", *names, "ratio", "wanted", "verdict"]
    lines = [header] + [[row.what, *(row.cells.get(name, "") for name in names), row.ratios, row.wanted, row.verdict] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines[:1] + [["-" * width for width in widths]] + lines[1:]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    missed = [row.what for row in rows if row.verdict == MISSED]
    print("\n" + (f"missed: {'; '.join(missed)}" if missed else "nothing missed"))
