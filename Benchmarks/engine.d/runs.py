"""One run of one manager: what it took to start, to stay and to stop; and what happens when it is killed."""
import itertools
import os
import shutil
import signal
import time

import managers as kinds
import processes
from tools import BenchError

# Nobody may take longer than this.
START_SECONDS, STOP_SECONDS = 600, 300
# How long a manager has to settle before it counts as idle: supervisord's startsecs and runsvdir's scans are of seconds.
SETTLE_SECONDS = 6
# runsv waits for some seconds before it starts a service again; nothing more is expected after this.
REPLACE_SECONDS = 20


class Ground:
    """Where runs take place, one after the other: the program that serves, what counts its processes, directories."""

    def __init__(self, memory, disk):
        # A copy of its own, so that its processes are known by their file.
        self.service = os.path.join(memory, "service")
        shutil.copyfile(shutil.which("sleep"), self.service)
        os.chmod(self.service, 0o755)
        self.memory, self.disk = memory, disk
        self.numbers = itertools.count()

    def manager(self, kind, count):
        name = f"{kind.name}-{next(self.numbers)}"
        return kind(self.service, count, os.path.join(self.memory, name), os.path.join(self.disk, name))

    def clear(self, manager):
        """Ends whatever is left of a run."""
        while left := [pid for pid, _ in processes.everybody()]:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        manager.process.wait()
        for directory in (manager.memory, manager.disk):
            shutil.rmtree(directory, ignore_errors=True)


def begin(manager, watch):
    """Starts a manager; gives back how long it took until all its services were there."""
    first, began = watch.started, time.monotonic()
    manager.start()
    reached = watch.until(lambda: watch.started - first >= manager.count or manager.process.poll() is not None, START_SECONDS)
    if reached is None or watch.living < manager.count:
        raise BenchError(f"{manager.name} has {watch.living} of {manager.count} services: {manager.output()}")
    return reached - began


def measure(ground, watch, kind, count, idle_seconds):
    """One start, rest and stop."""
    manager = ground.manager(kind, count)
    seen = {}
    try:
        began = time.monotonic()
        seen["started"] = begin(manager, watch)
        if isinstance(manager, kinds.Lastcall):
            while not manager.is_ready():
                time.sleep(0.05)
            seen["ready"] = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        # Only now: the kernel tells of an execve before it is done.
        services = processes.living(ground.service)
        if len(services) != count:
            raise BenchError(f"{manager.name} has {len(services)} services instead of {count}")
        running = processes.managers(ground.service)
        seen["start_cpu"] = processes.work(running).seconds + processes.work(services).seconds
        seen["memory"] = processes.memory(running) / count
        if isinstance(manager, kinds.Lastcall):
            seen["engine_memory"] = processes.memory([manager.process.pid])
        if idle_seconds:
            idle = processes.idle(running, idle_seconds)
            seen["idle_switches"], seen["idle_cpu"] = idle.switches, idle.seconds
        seen["stopped"], seen["ended"] = end(manager, watch)
    finally:
        ground.clear(manager)
        watch.look()
    return seen


def end(manager, watch):
    """Asks for the stop; gives back how long it took until the last service was dead, and until the managers had ended, too."""
    began = time.monotonic()
    manager.ask_to_stop()
    reached = watch.until(lambda: watch.living == 0, STOP_SECONDS)
    if reached is None:
        raise BenchError(f"of {manager.name} {watch.living} services still run after {STOP_SECONDS} s: {manager.output()}")
    while processes.managers(manager.service):
        manager.process.poll()
        if time.monotonic() - began > STOP_SECONDS:
            raise BenchError(f"{manager.name} itself has not ended after {STOP_SECONDS} s: {manager.output()}")
        time.sleep(0.01)
    return reached - began, time.monotonic() - began


def kill(ground, watch, kind, count, keepers):
    """Kills the manager and starts it again, or kills its keepers; gives back how many services were there twice, and what is there in
    the end."""
    manager = ground.manager(kind, count)
    try:
        begin(manager, watch)
        time.sleep(SETTLE_SECONDS)
        before = watch.started
        watch.most = watch.living
        if keepers:
            for pid in named(kind.keeper):
                os.kill(pid, signal.SIGKILL)
        else:
            manager.process.kill()
            manager.process.wait()
            manager.start()
        watch.until(lambda: watch.started - before >= count and watch.living <= count, REPLACE_SECONDS)
        runs = manager.process.poll() is None
        return {"second": watch.most - count, "new": watch.started - before, "living": watch.living, "manager runs": runs}
    finally:
        ground.clear(manager)
        watch.look()


def named(program):
    return [pid for pid, path in processes.everybody() if os.path.basename(path) == program]
