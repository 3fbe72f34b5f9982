"""The ways in which a server is stopped and replaced."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager

from clients import Clients
from servers import BenchError, Server, free_port

DOCKER_SECONDS = 10  # docker stop's own default
ROUTING_SECONDS = 2  # how long clients go on with an endpoint that was taken away
KUBERNETES_SECONDS = 30  # terminationGracePeriodSeconds
LOAD_SECONDS = 0.5  # load between two stops
RESTART_SECONDS = 120


@contextmanager
def ended(*things):
    """Nothing that was started outlives the measurement."""
    started = list(things)
    try:
        yield started
    finally:
        for thing in started:
            thing.kill()


def docker(bench, name, kinds, stops):
    """TERM, 10 s, KILL; then a new process on the same port."""
    port = free_port()
    killed = 0
    with ended() as started:
        server = bench.start(name, port)
        started.append(server)
        clients = Clients(bench.client, kinds, port)
        started.append(clients)
        for _ in range(stops):
            time.sleep(LOAD_SECONDS)
            server.begin_stop()
            killed += server.end_stop(DOCKER_SECONDS)
            server = bench.start(name, port)
            started.append(server)
        time.sleep(LOAD_SECONDS)
        return clients.finish(), stops, killed


def kubernetes(bench, name, kinds, stops):
    """TERM while new connections go on to come for 2 s; then they go to a second instance. KILL after 30 s."""
    ports = [free_port(), free_port()]
    killed = 0
    with ended() as started:
        servers = [bench.start(name, port, KUBERNETES_SERVICE_HOST="10.0.0.1") for port in ports]
        started += servers
        clients = Clients(bench.client, kinds, *ports)
        started.append(clients)
        for number in range(stops):
            old = number % 2
            time.sleep(LOAD_SECONDS)
            servers[old].begin_stop()
            time.sleep(ROUTING_SECONDS)
            clients.switch()
            killed += servers[old].end_stop(KUBERNETES_SECONDS - ROUTING_SECONDS)
            servers[old] = bench.start(name, ports[old], KUBERNETES_SERVICE_HOST="10.0.0.1")
            started.append(servers[old])
        time.sleep(LOAD_SECONDS)
        return clients.finish(), stops, killed


class App:
    """An app under `lastcall up`."""

    def __init__(self, bench, name, via, port):
        self.lastcall = os.path.join(bench.directory, "lastcall")
        self.directory = tempfile.mkdtemp(prefix="lastcall-bench-")
        self.file = os.path.join(self.directory, "lastcall.yaml")
        ready = "notify" if via == "socket" else "{ http: /readyz, every: 200ms }"
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(
                f"name: bench\napps:\n  {name}:\n    command: [{os.path.join(bench.directory, name)}]\n    replicas: 3\n"
                f"    listen: {{ port: {port}, via: {via} }}\n    ready: {ready}\n    stop: {{ plan: TERM/25/KILL, grace: 30s }}\n")
        self.output = os.path.join(self.directory, "up")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([self.lastcall, "up", "-f", self.file], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + RESTART_SECONDS
        while "RolloutComplete" not in self._said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self._said()
                self.kill()
                raise BenchError(f"the app did not come up:\n{said[-2000:]}")
            time.sleep(0.1)

    def _said(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def restart(self):
        done = subprocess.run(
            [self.lastcall, "restart", "-f", self.file], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RESTART_SECONDS, check=False)
        if done.returncode != 0:
            raise BenchError(f"lastcall restart: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout.count(" Exited ")

    def kill(self):
        subprocess.run([self.lastcall, "down", "-f", self.file], stdin=subprocess.DEVNULL, capture_output=True, timeout=RESTART_SECONDS, check=False)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(RESTART_SECONDS)
        shutil.rmtree(self.directory, ignore_errors=True)


def engine(via):
    def way(bench, name, kinds, stops):
        port, exited = free_port(), 0
        with ended() as started:
            started.append(App(bench, name, via, port))
            clients = Clients(bench.client, kinds, port)
            started.insert(0, clients)
            # A restart replaces three replicas.
            for _ in range(-(-stops // 3)):
                time.sleep(LOAD_SECONDS)
                exited += started[-1].restart()
            time.sleep(LOAD_SECONDS)
            return clients.finish(), exited, 0

    way.__doc__ = f"lastcall restart of three replicas via {via}."
    return way


WAYS = {"docker": docker, "kubernetes": kubernetes, "socket": engine("socket"), "proxy": engine("proxy")}


class Bench:
    """What the ways need: where the programs are, and how one is started."""

    def __init__(self, directory, log):
        self.directory = directory
        self.client = os.path.join(directory, "LoadClient")
        self.log = log

    def start(self, name, port, **environment):
        return Server(os.path.join(self.directory, name), port, self.log, **environment)
