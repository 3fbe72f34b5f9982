"""hello and plain as processes: built, started, stopped."""
import os
import resource
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
# Nobody may take longer to start than this.
START_SECONDS = 30


class BenchError(Exception):
    """Something that keeps the benchmark from measuring, said to the user."""


def programs(*products):
    """Builds release binaries; gives back the directory they are in."""
    for product in products:
        done = subprocess.run(["swift", "build", "-c", "release", "--product", product], cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{product} cannot be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    shown = subprocess.run(["swift", "build", "-c", "release", "--show-bin-path"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return shown.stdout.strip()


def allow_descriptors(count):
    """For this process and what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def free_port():
    """A port nobody listens on. It is outside the range from which clients get theirs, so that none of them takes it meanwhile."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for port in range(lowest - 1, 1024, -1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in free_port.given:
                free_port.given.add(port)
                return port
    raise BenchError("no port is free")


free_port.given = set()


class Server:
    """A process that serves."""

    def __init__(self, program, port, log, core=None, **environment):
        self.port = port
        command = ([] if core is None else ["taskset", "-c", str(core)]) + [program]
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("LASTCALL_", "LISTEN_", "NOTIFY_", "KUBERNETES_"))}
        surroundings.update(PORT=str(port), HOST="127.0.0.1", **environment)
        self.process = subprocess.Popen(command, env=surroundings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await_ready()

    @property
    def pid(self):
        return self.process.pid

    def _await_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BenchError(f"{self.process.args} ended with status {self.process.returncode} at its start")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                    client.sendall(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                    if client.recv(64).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            time.sleep(0.005)
        self.kill()
        raise BenchError(f"{self.process.args} does not answer after {START_SECONDS} s")

    def begin_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def end_stop(self, seconds):
        """Waits for the end; kills what is still there then, and says whether it had to."""
        try:
            self.process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            self.kill()
            return True

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
