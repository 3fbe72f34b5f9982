"""The managers: how each is told to run N copies of one program, started and stopped."""
import json
import os
import signal
import subprocess

from tools import BenchError, run

# Longer than any measurement.
FOREVER = "100000"


def environment(**more):
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **more}


class Manager:
    """One manager with its N services, in directories of its own."""

    name = ""
    # The process that keeps one service, for those that have one for each.
    keeper = None

    def __init__(self, service, count, memory, disk):
        self.service, self.count, self.memory, self.disk = service, count, memory, disk
        self.process = None
        for directory in (memory, disk):
            os.mkdir(directory)
        self.prepare()

    def prepare(self):
        """Writes what the manager reads."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return environment()

    def start(self):
        with open(os.path.join(self.disk, "output"), "ab") as output:
            self.process = subprocess.Popen(
                self.command(), env=self.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.memory,
                start_new_session=True)

    def ask_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def output(self):
        with open(os.path.join(self.disk, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]


class Lastcall(Manager):
    name = "lastcall"
    keeper = "lastcall-keeper"

    def prepare(self):
        self.file = os.path.join(self.disk, "lastcall.yaml")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(f'name: bench\napps:\n  sleep:\n    command: ["{self.service}", "{FOREVER}"]\n    replicas: {self.count}\n')

    def command(self):
        return [os.environ["BENCH_LASTCALL"], "up", "-f", self.file]

    def environment(self):
        return environment(LASTCALL_RUN_DIR=self.memory, LASTCALL_STATE_DIR=self.disk)

    def is_ready(self):
        """Whether `ps` says that all are ready."""
        shown = run([os.environ["BENCH_LASTCALL"], "ps", "-f", self.file, "-o", "json"], env=self.environment())
        rows = json.loads(shown)
        return sum(row["state"] == "Ready" for row in rows) == self.count


class Supervisord(Manager):
    name = "supervisord"

    def prepare(self):
        with open(os.path.join(self.memory, "supervisord.conf"), "w", encoding="utf-8") as file:
            # minfds: three pipes for each.
            file.write(
                f"[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.memory}/pid\n"
                f"minfds={self.count * 8 + 1024}\nchildlogdir={self.memory}\n"
                f"[program:sleep]\ncommand={self.service} {FOREVER}\nnumprocs={self.count}\nprocess_name=%(process_num)05d\n"
                "stdout_logfile=NONE\nstderr_logfile=NONE\n")

    def command(self):
        return ["/usr/bin/supervisord", "-c", os.path.join(self.memory, "supervisord.conf")]


class Scanned(Manager):
    """A manager that scans a directory of services, each with a `run` script, and starts a process of its own for each."""

    def prepare(self):
        self.services = os.path.join(self.memory, "services")
        script = os.path.join(self.memory, "run")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {self.service} {FOREVER}\n")
        os.chmod(script, 0o755)
        for number in range(self.count):
            directory = os.path.join(self.services, f"sleep{number:05}")
            os.makedirs(directory)
            os.symlink(script, os.path.join(directory, "run"))


class S6(Scanned):
    name = "s6"
    keeper = "s6-supervise"

    def command(self):
        return ["/usr/bin/s6-svscan", "-c", str(self.count + 10), self.services]


class Runit(Scanned):
    name = "runit"
    keeper = "runsv"
    # MAXSERVICES of runsvdir.c.
    most = 1000

    def command(self):
        if self.count > self.most:
            raise BenchError(f"runsvdir takes at most {self.most} services")
        return ["/usr/bin/runsvdir", "-P", self.services]

    def ask_to_stop(self):
        # On TERM it ends and leaves its runsv running; on HUP it tells them to end, too.
        self.process.send_signal(signal.SIGHUP)


ALL = [Lastcall, Supervisord, S6, Runit]
