"""Runs the benchmark in namespaces of its own, so that nothing of it can outlive it, however it ends."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from tools import BenchError, binaries

# lastcall-init takes what is named LASTCALL_… out of the environment.
PLACE, BINARY = "BENCH_PLACE", "BENCH_LASTCALL"
PR_SET_PDEATHSIG = 1


def is_inside():
    return PLACE in os.environ


def enter(script, arguments):
    """Runs the script again as the child of a PID 1 (lastcall-init); gives back its exit code. Ends everything when it is interrupted."""
    if os.geteuid() != 0:
        raise BenchError("root is needed, for PID namespaces; try: sudo Benchmarks/engine")
    lastcall, init = binaries()
    # Where databases are, so no tmpfs: /tmp may be one.
    place = tempfile.mkdtemp(prefix="lastcall-bench-", dir="/var/tmp")
    command = [
        "unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", init, "--stop", "KILL", "--",
        sys.executable, script, *arguments,
    ]
    libc = ctypes.CDLL(None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    inside = subprocess.Popen(
        command, env={**os.environ, PLACE: place, BINARY: lastcall}, start_new_session=True,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    try:
        return inside.wait()
    finally:
        inside.kill()
        inside.wait()
        shutil.rmtree(place, ignore_errors=True)


def places():
    """A directory in memory for what a manager keeps in /run, and one on the disk for what it keeps in /var."""
    # Ours alone: the mount namespace is. Its paths are short, as a socket's has to be.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755,nr_inodes=0", "tmpfs", "/run"], check=True)
    return "/run", os.environ[PLACE]
