"""What every part of the benchmark uses: the project's places, its error, running a command."""
import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


class BenchError(Exception):
    """Something that keeps the benchmark from measuring, said to the user."""


def run(command, timeout=600, **options):
    """Runs a command to its end and gives back its standard output."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False, **options)
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is not installed; scripts/setup bench installs it") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"no end after {timeout} s: {' '.join(command)}") from error
    if done.returncode != 0:
        raise BenchError(f"exit {done.returncode}: {' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def binaries():
    """Where lastcall and lastcall-init are: what LASTCALL names, else bin/, which is built when it is not there."""
    lastcall = os.environ.get("LASTCALL") or os.path.join(PROJECT, "bin", "lastcall")
    directory = os.path.dirname(os.path.realpath(lastcall))
    wanted = [lastcall, os.path.join(directory, "lastcall-init"), os.path.join(directory, "lastcall-keeper")]
    missing = [path for path in wanted if not os.access(path, os.X_OK)]
    if missing and "LASTCALL" in os.environ:
        raise BenchError(f"there is no {missing[0]}; LASTCALL has to name a lastcall with lastcall-init and lastcall-keeper beside it")
    if missing:
        run([os.path.join(PROJECT, "scripts", "build")], timeout=3600)
    return os.path.realpath(wanted[0]), wanted[1]
