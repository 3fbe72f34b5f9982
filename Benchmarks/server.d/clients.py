"""The load client, one process for each kind, so that each kind's losses are its own."""
import json
import os
import select
import signal
import subprocess

from servers import BenchError

# A name in the table, the load client's name of it, and its options. A pause between two messages of a WebSocket: one that is sent
# while the server's Close frame is on its way is lost by the protocol (RFC 6455 section 5.5.1), which no server can help.
KINDS = {
    "keep-alive": ["--mix", "keep-alive=1", "--think", "2ms"],
    "new": ["--mix", "new=1", "--think", "5ms"],
    "slow": ["--mix", "slow=1", "--path-slow", "/slow?ms=500"],
    "streaming": ["--mix", "stream=1", "--path-stream", "/stream?chunks=20&ms=25"],
    "pipelined": ["--mix", "pipelined=1", "--think", "5ms"],
    "websocket": ["--mix", "websocket=1", "--think", "20ms"],
}
CONNECTIONS = 8
READY_SECONDS = 60
END_SECONDS = 90


class Clients:
    """All kinds at once on one server, or on two of which one gets the new connections."""

    def __init__(self, program, kinds, port, other=None):
        self.processes = {}
        command = [program, "--connections", str(CONNECTIONS), "--duration", "20m", "--json"]
        if other is not None:
            command += ["--other", f"http://127.0.0.1:{other}"]
        ready = []
        for kind in kinds:
            readable, writable = os.pipe()
            self.processes[kind] = subprocess.Popen(
                [*command, "--ready-fd", str(writable), *KINDS[kind], f"http://127.0.0.1:{port}"], pass_fds=[writable],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            os.close(writable)
            ready.append(readable)
        for readable in ready:
            if not select.select([readable], [], [], READY_SECONDS)[0] or os.read(readable, 1) == b"":
                self.kill()
                raise BenchError(f"the clients had no answer within {READY_SECONDS} s")
            os.close(readable)

    def switch(self):
        """Sends new connections to the other server."""
        for process in self.processes.values():
            process.send_signal(signal.SIGUSR1)

    def finish(self):
        """Ends the load when what is in flight has ended; what each kind came to."""
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        try:
            return {kind: json.loads(process.communicate(timeout=END_SECONDS)[0]) for kind, process in self.processes.items()}
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise BenchError(f"the load did not end well: {error}") from error
        finally:
            self.kill()

    def kill(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
