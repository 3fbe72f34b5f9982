"""Many processes: reaping them, stopping them, stopping those that do not want to be stopped."""
from table import MISSED, Ratio, Row, against_best, cells
from tools import Subject, in_turns

BATCH = 1000
GRACE = 1  # seconds, where the tree does not obey
LIMITS = {"pid1": 1.2, "child": 1.5}
PLACES = {"pid1": "PID 1", "child": "not PID 1"}
# Nobody's user: the limit of processes counts all that a user has.
BOMB_USER = 61234


def reaping(bench):
    rounds = bench.scale.reaping_rounds
    orphans = bench.scale.orphans // rounds // BATCH * BATCH
    speed = {subject.name: [] for subject in bench.everyone}
    for _, subject in in_turns(bench.everyone, rounds):
        seen = bench.measure("reaping", *subject.running(*bench.load("orphans", orphans, BATCH)))
        speed[subject.name].append(orphans / seen["seconds"] / 1000)
    ratio = against_best(speed, bench.mine, bench.peers, max)
    shown = cells(speed, "{:.0f}")
    what = f"reaping {orphans * rounds:,} orphans, 1000/s"
    return [Row(what, shown[bench.mine.name], "≥ the best", ratio.at_least_equal(), shown, ratio=str(ratio), data=speed)]


def obeying_tree(bench):
    load = bench.load("tree", bench.scale.tree_size, "obey")
    return stops(bench, f"{bench.scale.tree_size:,} descendants that obey", bench.mine, load, "TERM", 0)


def ignoring_tree(bench):
    load = bench.load("tree", bench.scale.tree_size, "ignore")
    return stops(bench, f"{bench.scale.tree_size:,} that ignore SIGTERM", bench.mine_with("--grace", str(GRACE)), load, "KILL", GRACE)


def fork_bomb(bench):
    load = bench.load("bomb", bench.scale.bomb_size, BOMB_USER)
    return stops(bench, f"a fork bomb of {bench.scale.bomb_size}", bench.mine_with("--grace", str(GRACE)), load, "KILL", GRACE)


def stops(bench, what, mine, load, signal, grace):
    """A row for each place: how long the stop took, less the grace, beside a bare kill(-1) and wait of the same tree."""
    bare = Subject("bare", (bench.load_path, "bare", signal))
    tried = {"bare": ("pid1", bare), "pid1": ("pid1", mine), "child": ("child", mine)}
    seconds, left = {name: [] for name in tried}, {name: 0 for name in tried}
    for _, name in in_turns(list(tried), bench.scale.tree_rounds):
        place, subject = tried[name]
        seen = bench.measure("stop", place, *subject.running(*load))
        seconds[name].append(seen["seconds"] - (0 if name == "bare" else grace))
        left[name] += seen["left"]
    return [stop_row(what, place, seconds, left[place], grace) for place in PLACES]


def stop_row(what, place, seconds, left, grace):
    ratio = Ratio.of(seconds[place], seconds["bare"])
    shown = cells({name: [value * 1000 for value in values] for name, values in seconds.items()}, "{:.0f}")
    early = min(seconds[place]) < 0
    verdict = MISSED if left or early else ratio.at_most(LIMITS[place])
    said = ("grace + " if grace else "") + shown[place] + " ms" + (f", NOT GONE {left} ×" if left else "") + (", BEFORE THE GRACE" if early else "")
    wanted = f"≤ {LIMITS[place]} × a bare kill, gone"
    return Row(f"{what}, {PLACES[place]}", said, wanted, verdict, baseline=f"bare {shown['bare']} ms", ratio=str(ratio), data=seconds)
