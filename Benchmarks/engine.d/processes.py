"""What /proc says of the processes in our namespace."""
import os
import time
from dataclasses import dataclass


def everybody():
    """Every process but PID 1 and us: (pid, the file it executes)."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                yield int(name), os.readlink(f"/proc/{name}/exe")
            except OSError:
                pass  # It has ended.


def managers(service):
    return [pid for pid, program in everybody() if program != service]


def living(service):
    return [pid for pid, program in everybody() if program == service]


def memory(pids):
    """The sum of their proportional set sizes in kB."""
    return sum(field(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def field(path, name):
    try:
        with open(path, encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name))
    except (OSError, StopIteration):
        return 0


@dataclass
class Work:
    """What processes have done so far."""

    seconds: float
    switches: int


def threads(pids):
    """What each of their threads has done so far: time on the processor (schedstat has it in ns) and context switches."""
    seen = {}
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for name in names:
            path = f"/proc/{pid}/task/{name}"
            try:
                with open(path + "/schedstat", encoding="ascii") as file:
                    nanoseconds = int(file.read().split()[0])
            except OSError:
                continue
            switches = field(path + "/status", "voluntary_ctxt_switches:") + field(path + "/status", "nonvoluntary_ctxt_switches:")
            seen[name] = Work(nanoseconds / 1e9, switches)
    return seen


def work(pids):
    """What they have done so far, without threads that have ended."""
    seen = threads(pids).values()
    return Work(sum(each.seconds for each in seen), sum(each.switches for each in seen))


def idle(pids, seconds):
    """What they do within that time. A thread that ends meanwhile has been woken once, to end."""
    before = threads(pids)
    time.sleep(seconds)
    after = threads(pids)
    done = Work(0, len(before.keys() - after.keys()))
    for name, each in after.items():
        earlier = before.get(name, Work(0, 0))
        done.seconds += each.seconds - earlier.seconds
        done.switches += each.switches - earlier.switches
    return done
