"""Real members on free ports of this machine, driven by Debian's etcdctl. Used by the tests beside it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("CAIRN_BINARY", ROOT / "build/release/cairn"))
HEARTBEAT_MS = 50
ELECTION_MS = 500
# Far beyond what anything takes here, so that only what never comes about fails.
PATIENCE_S = 60.0


def wait_for(condition, what, timeout_s=PATIENCE_S, explain=lambda: ""):
    """Returns the first true value of condition(), asked again and again; fails when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout_s:.0f} s\n{explain()}")
        time.sleep(0.02)


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as sockets:
        ports = []
        for _ in range(count):
            probe = sockets.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        return ports


def require_binaries():
    if not BINARY.exists():
        raise AssertionError(f"{BINARY} is missing: build it with ./x build")
    if shutil.which("etcdctl") is None:
        raise AssertionError("etcdctl is missing: install Debian's etcd-client (./x deps)")


def run_cairn(*arguments, environment=None, timeout_s=30):
    """Runs the binary to its end."""
    env = {"PATH": os.environ["PATH"], **(environment or {})}
    return subprocess.run([str(BINARY), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=env, timeout=timeout_s, check=False)


class Member:
    def __init__(self, name, client_port, peer_port, folder):
        self.name = name
        self.client = f"127.0.0.1:{client_port}"
        self.peer = f"127.0.0.1:{peer_port}"
        self.data_dir = folder / name
        self.log = folder / f"{name}.log"
        self.extra = []
        self.initial_cluster = ""
        self.process = None

    def flags(self):
        return [
            f"--name={self.name}", f"--data-dir={self.data_dir}",
            f"--listen-client-urls=http://{self.client}", f"--advertise-client-urls=http://{self.client}",
            f"--listen-peer-urls=http://{self.peer}", f"--initial-advertise-peer-urls=http://{self.peer}",
            f"--initial-cluster={self.initial_cluster}",
            f"--heartbeat-interval={HEARTBEAT_MS}", f"--election-timeout={ELECTION_MS}", *self.extra,
        ]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(BINARY), "server", *self.flags()], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True,
                                            env={"PATH": os.environ["PATH"]})

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a crash of the process: nothing of it runs any more when this returns."""
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Asks it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        # "T": stopped. The signal takes effect a little later.
        wait_for(lambda: self.process_state() == "T", f"{self.name} is stopped")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def process_state(self):
        return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def get(self, path, timeout_s=5):
        """(status, body) of an HTTP GET."""
        try:
            with urllib.request.urlopen(f"http://{self.client}{path}", timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def healthy(self):
        try:
            return self.get("/health", timeout_s=2)[0] == 200
        except OSError:
            return False

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return float(value)
        raise AssertionError(f"{self.name} has no metric {name}")

    def leads(self):
        try:
            return self.running() and self.process_state() != "T" and self.metric("etcd_server_is_leader") == 1
        except OSError:
            return False

    def log_text(self):
        return self.log.read_text(errors="replace")


class Cluster:
    """Use as a context: all members end with it, and its folder goes unless a test failed."""

    def __init__(self, size=3, extra=()):
        require_binaries()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cairn-integration-"))
        ports = free_ports(2 * size)
        self.members = [Member(f"m{i + 1}", ports[2 * i], ports[2 * i + 1], self.folder) for i in range(size)]
        initial = ",".join(f"{m.name}=http://{m.peer}" for m in self.members)
        for member in self.members:
            member.initial_cluster = initial
            member.extra = list(extra)

    def __enter__(self):
        for member in self.members:
            member.start()
        try:
            self.wait_healthy()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, unittest.SkipTest):
            print(self.logs())
        self.end()

    def end(self):
        for member in self.members:
            if member.running():
                member.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self, lines=25):
        parts = []
        for member in self.members:
            text = member.log_text() if member.log.exists() else ""
            parts.append(f"--- {member.name}, end of its log:\n" + "\n".join(text.splitlines()[-lines:]))
        return "\n".join(parts)

    def running(self):
        return [m for m in self.members if m.running()]

    def wait_healthy(self, members=None):
        for member in members or self.members:
            wait_for(lambda m=member: m.healthy() or not m.running(), f"{member.name} is healthy", explain=self.logs)
            if not member.running():
                raise AssertionError(f"{member.name} ended with status {member.process.returncode}\n{self.logs()}")

    def leader(self):
        """The member that leads, once there is exactly one that says so."""
        def only():
            leaders = [m for m in self.members if m.leads()]
            return leaders[0] if len(leaders) == 1 else None
        return wait_for(only, "there is one leader", explain=self.logs)

    def followers(self):
        leader = self.leader()
        return [m for m in self.running() if m is not leader]

    def etcdctl(self, *arguments, on=None, text_in=None, check=True, timeout_s=30):
        """Runs etcdctl against one member, or against all that run; its standard output."""
        targets = [on] if on else self.running()
        endpoints = ",".join(m.client for m in targets)
        result = subprocess.run(["etcdctl", f"--endpoints={endpoints}", "--dial-timeout=5s", "--command-timeout=20s",
                                 *arguments], input=text_in, capture_output=True, text=True, timeout=timeout_s,
                                env={"PATH": os.environ["PATH"], "ETCDCTL_API": "3"}, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"etcdctl {arguments} failed: {result.stdout}{result.stderr}\n{self.logs()}")
        return result.stdout if check else result

    def put(self, key, value, on=None):
        self.etcdctl("put", "--", key, value, on=on)

    def get(self, key, on=None, *options):
        return self.etcdctl("get", "--print-value-only", *options, "--", key, on=on).removesuffix("\n")

    def get_prefix(self, prefix, on=None):
        lines = self.etcdctl("get", "--prefix", "--", prefix, on=on).splitlines()
        return dict(zip(lines[::2], lines[1::2]))

    def status(self):
        """`endpoint status` of all members that run, by endpoint."""
        answers = json.loads(self.etcdctl("endpoint", "status", "-w", "json"))
        return {answer["Endpoint"]: answer["Status"] for answer in answers}
