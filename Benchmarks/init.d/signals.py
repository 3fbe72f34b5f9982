"""Whether signals arrive, how fast, and whether what they began is finished."""
import math

from table import MISSED, OK, TIE, Row, against_best, cells
from tools import in_turns

KINDS = {"group": "in main's group", "session": "in its own session", "double": "double-forked"}
P50_LIMIT, P99_LIMIT = 1.1, 1.3


def lost_early(bench, where, subjects):
    """How many of the runs each lost. Every subject sees the same moments, in turns."""
    rounds, runs = bench.scale.early_rounds, bench.scale.early_runs
    lost = {subject: 0 for subject in subjects}
    for number, subject in in_turns(subjects, rounds):
        command = subject.running(*bench.load("early"))
        lost[subject] += bench.measure("early", where, number, rounds, runs, *command)["lost"]
    return lost


def early_cells(bench, lost):
    """A cell a peer: its default, then its other way to forward."""
    said = {subject.name: str(lost[subject]) for subject in bench.peers}
    for subject in filter(lost.__contains__, bench.variants):
        said[subject.name] += f"; {subject.variant} {lost[subject]}"
    return said


def early_as_child(bench):
    lost = lost_early(bench, "child", [bench.mine, *bench.peers, *bench.variants])
    mine = lost[bench.mine]
    what = f"early signals lost of {bench.scale.early_runs}, not PID 1"
    return [Row(what, str(mine), "0", OK if mine == 0 else MISSED, early_cells(bench, lost), data=named(lost))]


def early_as_pid_1(bench):
    # What the kernel drops is compared here; what the peers' other ways to forward lose besides is in the row above.
    lost = lost_early(bench, "pid1", [bench.mine, bench.floor, *bench.peers])
    mine, floor = lost[bench.mine], lost[bench.floor]
    # Counts of rare events: two that differ by less than twice this cannot be told apart.
    deviation = math.sqrt(mine + floor)
    verdict = OK if mine <= floor else TIE if mine - floor <= 2 * deviation else MISSED
    what = f"early signals lost of {bench.scale.early_runs}, PID 1"
    return [Row(what, str(mine), "≤ the floor", verdict, early_cells(bench, lost), f"floor {floor}", data=named(lost))]


def named(lost):
    return {f"{subject.name} {subject.variant}".strip(): count for subject, count in lost.items()}


def cleanup(bench):
    rows = []
    for kind, place in KINDS.items():
        finished, runs = {}, {}
        for subject in bench.everyone:
            runs[subject.name] = bench.scale.cleanup_runs if subject is bench.mine else bench.scale.peer_cleanup_runs
            seen = bench.measure("cleanup", runs[subject.name], *subject.running(*bench.load("cleanup", kind)))
            finished[subject.name] = seen["finished"]
        said = {name: f"{finished[name]} of {runs[name]}" for name in finished}
        mine = bench.mine.name
        verdict = OK if finished[mine] == runs[mine] else MISSED
        rows.append(Row(f"cleanup finished, worker {place}", said[mine], "all", verdict, said, data={"finished": finished, "runs": runs}))
    return rows


def latency(bench):
    rounds, count = bench.scale.latency_rounds, bench.scale.latency_signals
    p50 = {subject.name: [] for subject in bench.everyone}
    p99 = {subject.name: [] for subject in bench.everyone}
    for _, subject in in_turns(bench.everyone, rounds):
        seen = bench.measure("latency", count, *subject.running(*bench.load("latency")))
        p50[subject.name].append(seen["p50_us"])
        p99[subject.name].append(seen["p99_us"])
    rows = []
    for name, series, limit in [("p50", p50, P50_LIMIT), ("p99", p99, P99_LIMIT)]:
        ratio = against_best(series, bench.mine, bench.peers, min)
        shown = cells(series, "{:.1f}")
        what = f"signal latency, µs, {name} of {count:,}"
        rows.append(Row(what, shown[bench.mine.name], f"≤ {limit} × the best", ratio.at_most(limit), shown, ratio=str(ratio), data=series))
    return rows
