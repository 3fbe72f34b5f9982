"""The subjects of the measurement, and how they are run."""
import json
import os
import shutil
import subprocess
from dataclasses import dataclass

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(PROJECT, ".build", "bench-init")
# A call that takes longer than this has hung; what it started dies with it.
CALL_SECONDS = 180

C_FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-static"]
# As small as it can be: every page it does not have is one it need not fault in.
FLOOR_FLAGS = "-Os -ffreestanding -fno-stack-protector -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code".split()


class BenchError(Exception):
    """Something that keeps the benchmark from measuring, said to the user."""


@dataclass(frozen=True)
class Subject:
    """An init, and the arguments that go before the command."""

    name: str
    command: tuple
    variant: str = ""

    @property
    def path(self):
        return self.command[0]

    def running(self, *arguments):
        return [*self.command, *arguments]


def run(command, timeout=CALL_SECONDS):
    """Runs a command to its end and gives back its standard output."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"no end after {timeout} s: {' '.join(command)}") from error
    if done.returncode != 0:
        raise BenchError(f"exit {done.returncode}: {' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def found(name):
    path = shutil.which(name)
    if path is None:
        raise BenchError(f"{name} is not installed; scripts/setup bench installs it")
    return path


class Bench:
    """Everything that is ready to be measured with: the inits, the compiled C parts, the scale."""

    def __init__(self, scale):
        self.scale = scale
        run([os.path.join(PROJECT, "scripts", "setup"), "bench"], timeout=600)
        self.mine = Subject("lastcall-init", (self._built_init(), "--"))
        self.peers = [
            Subject("dumb-init", (found("dumb-init"), "--")),
            Subject("tini-static", (found("tini-static"), "--")),
            Subject("catatonit", (found("catatonit"), "--")),
        ]
        self.variants = [
            Subject("dumb-init", (found("dumb-init"), "-c", "--"), "-c"),
            Subject("tini-static", (found("tini-static"), "-g", "--"), "-g"),
            Subject("catatonit", (found("catatonit"), "-g", "--"), "-g"),
        ]
        self._compile()

    @property
    def everyone(self):
        return [self.mine, *self.peers]

    def mine_with(self, *options):
        return Subject(self.mine.name, (self.mine.path, *options, "--"))

    def measure(self, *arguments):
        return json.loads(run([os.path.join(BUILD, "measure"), *map(str, arguments)]))

    def load(self, *arguments):
        return [self.load_path, *map(str, arguments)]

    def _built_init(self):
        path = os.path.join(PROJECT, "bin", "lastcall-init")
        if not os.path.exists(path):
            run([os.path.join(PROJECT, "scripts", "build"), "init"], timeout=600)
        return path

    def _compile(self):
        os.makedirs(BUILD, exist_ok=True)
        self.load_path = os.path.join(BUILD, "load")
        self.floor = Subject("floor", (os.path.join(BUILD, "floor"),))
        for program, sources, flags in [
            ("load", ["load.c"], C_FLAGS),
            ("measure", ["measure.c", "run.c"], C_FLAGS),
            ("floor", ["floor.c"], FLOOR_FLAGS),
        ]:
            sources = [os.path.join(HERE, source) for source in sources]
            run(["cc", *flags, "-o", os.path.join(BUILD, program), *sources])


def in_turns(subjects, rounds):
    """Everyone in every round, the order rotated so that nobody always comes after the same one."""
    for number in range(rounds):
        first = number % len(subjects)
        for subject in subjects[first:] + subjects[:first]:
            yield number, subject
