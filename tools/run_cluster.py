#!/usr/bin/env python3
"""Three members in one terminal: started, watched once a second, stopped by Ctrl-C. Used by `./x run`."""

import argparse
import concurrent.futures
import ctypes
import dataclasses
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

CLIENT_PORTS = [2379, 22379, 32379]
PEER_PORTS = [2380, 22380, 32380]
HTTP_TIMEOUT_S = 1.0
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOG_TAIL_LINES = 8


def end_with_parent():
    """The members must not outlive this script, even if it is killed: Linux tells them of its end."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


@dataclasses.dataclass
class State:
    """What a member says of itself."""
    healthy: bool = False
    reason: str = ""
    leader: bool = False
    term: int = 0
    committed: int = 0
    applied: int = 0


class Member:
    def __init__(self, index, binary, data):
        self.name = f"m{index + 1}"
        self.client = f"127.0.0.1:{CLIENT_PORTS[index]}"
        self.peer = f"127.0.0.1:{PEER_PORTS[index]}"
        self.ports = [CLIENT_PORTS[index], PEER_PORTS[index]]
        self.data_dir = data / self.name
        self.log = data / f"{self.name}.log"
        cluster = ",".join(f"m{i + 1}=http://127.0.0.1:{port}" for i, port in enumerate(PEER_PORTS))
        self.command = [
            str(binary), "server", f"--name={self.name}", f"--data-dir={self.data_dir}",
            f"--listen-client-urls=http://{self.client}", f"--advertise-client-urls=http://{self.client}",
            f"--listen-peer-urls=http://{self.peer}", f"--initial-advertise-peer-urls=http://{self.peer}",
            f"--initial-cluster={cluster}",
        ]
        self.process = None
        self.was_up = False
        self.log_start = 0  # where the log of this run begins

    def start(self):
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            # A session of its own: Ctrl-C reaches this script alone, which then stops the members in order.
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=end_with_parent)

    def shell_command(self):
        return shlex.join(self.command)

    def log_tail(self):
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join("    " + line for line in lines[-LOG_TAIL_LINES:]) or "    (its log is empty)"

    def how_it_ended(self):
        code = self.process.returncode
        return f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exited with status {code}"

    def ask(self):
        """Its State; None if it does not answer."""
        try:
            health = self.get("/health")
            metrics = parse_metrics(self.get("/metrics")[1])
        except (OSError, ValueError):
            return None
        return State(
            healthy=health[0] == 200,
            reason=health[1].strip(),
            leader=metrics.get("etcd_server_is_leader", 0) == 1,
            term=int(metrics.get("cairn_raft_term", 0)),
            committed=int(metrics.get("etcd_server_proposals_committed_total", 0)),
            applied=int(metrics.get("etcd_server_proposals_applied_total", 0)))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.client}{path}", timeout=HTTP_TIMEOUT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def parse_metrics(text):
    """The samples without labels."""
    samples = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in name:
            samples[name] = float(value)
    return samples


class Screen:
    """A status line that is rewritten in place on a terminal; plain lines elsewhere."""

    def __init__(self):
        self.tty = sys.stdout.isatty()
        self.pending = False

    def say(self, text):
        print(("\r\033[K" if self.pending else "") + text, flush=True)
        self.pending = False

    def status(self, text):
        if not self.tty:
            print(text, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        print("\r\033[K" + text[:width], end="", flush=True)
        self.pending = True


class Cluster:
    def __init__(self, members, screen, stopping):
        self.members = members
        self.screen = screen
        self.stopping = stopping
        self.pool = concurrent.futures.ThreadPoolExecutor(len(members))
        self.leader = None

    def ask_all(self):
        return dict(zip(self.members, self.pool.map(Member.ask, self.members)))

    def wait_until_healthy(self):
        """True once every member is; False if one died, was not in time, or the user stopped waiting."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.stopping.is_set():
            dead = [m for m in self.members if m.process.poll() is not None]
            for member in dead:
                self.screen.say(f"{member.name} {member.how_it_ended()}; the end of {member.log}:\n{member.log_tail()}")
            if dead:
                return False
            states = self.ask_all()
            if all(state is not None and state.healthy for state in states.values()):
                for member in self.members:
                    member.was_up = True
                return True
            if time.monotonic() > deadline:
                for member, state in states.items():
                    why = "does not answer" if state is None else state.reason
                    self.screen.say(f"{member.name}: {why}; the end of {member.log}:\n{member.log_tail()}")
                return False
            self.stopping.wait(0.1)
        return False

    def watch(self):
        """One line a second until the user stops it."""
        before, when = None, time.monotonic()
        while not self.stopping.wait(max(0.0, when + 1.0 - time.monotonic())):
            states = self.ask_all()
            now = time.monotonic()
            self.report_changes(states)
            up = {m: s for m, s in states.items() if s is not None}
            committed = max((s.committed for s in up.values()), default=None)
            rate = None
            if before is not None and committed is not None:
                rate = max(0, committed - before) / (now - when)
            self.screen.status(self.line(up, committed, rate))
            before, when = committed, now

    def line(self, up, committed, rate):
        parts = [time.strftime("%H:%M:%S")]
        leaders = [m for m, s in up.items() if s.leader]
        # After a partition an old leader may not know yet that it is none: the higher term counts.
        leader = max(leaders, key=lambda m: up[m].term, default=None)
        parts.append(f"leader {leader.name if leader else 'none'}")
        if up:
            parts.append(f"term {max(s.term for s in up.values())}")
            parts.append(f"commit {committed}")
        if rate is not None:
            parts.append(f"{rate:,.0f} writes/s")
        lags = []
        for member in self.members:
            state = up.get(member)
            if state is None:
                lags.append(f"{member.name} DOWN")
            elif not state.healthy:
                lags.append(f"{member.name} UNHEALTHY")
            else:
                lags.append(f"{member.name} {committed - state.applied}")
        parts.append("lag " + " ".join(lags))
        return "  ".join(parts)

    def report_changes(self, states):
        for member, state in states.items():
            if member.process is not None and member.process.poll() is not None:
                self.screen.say(
                    f"{member.name} {member.how_it_ended()}; the end of {member.log}:\n{member.log_tail()}\n"
                    f"start it again, from another terminal in {os.getcwd()}, with:\n  {member.shell_command()}")
                member.process = None
            up = state is not None
            if up and not member.was_up:
                where = "" if member.process is not None else " (started elsewhere: it will not be stopped from here)"
                self.screen.say(f"{member.name} is back{where}")
            elif member.was_up and not up and member.process is not None:
                self.screen.say(f"{member.name} does not answer")
            member.was_up = up

    def stop(self):
        own = [m for m in self.members if m.process is not None and m.process.poll() is None]
        for member in own:
            member.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        clean = True
        for member in own:
            try:
                status = member.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                status = member.process.wait()
                self.screen.say(f"{member.name} did not stop within {STOP_TIMEOUT_S:.0f} s and was killed; see {member.log}")
            if status not in (0, -signal.SIGKILL):
                self.screen.say(f"{member.name} {member.how_it_ended()} when stopped; see {member.log}")
            clean = clean and status == 0
        elsewhere = [m.name for m in self.members if m.process is None and m.was_up]
        if elsewhere:
            self.screen.say(f"still running, started elsewhere: {', '.join(elsewhere)}")
        self.pool.shutdown(wait=False)
        return clean


def busy_ports(members):
    for member in members:
        for port in member.ports:
            with socket.socket() as probe:
                # As the members bind: a connection that lingers from the last run is in nobody's way.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    yield member, port


def etcdctl_agrees(endpoints, screen):
    etcdctl = shutil.which("etcdctl")
    if etcdctl is None:
        screen.say("etcdctl is not installed (Debian: etcd-client); health was asked for over HTTP alone")
        return
    result = subprocess.run(
        [etcdctl, f"--endpoints={endpoints}", "endpoint", "health"], env={**os.environ, "ETCDCTL_API": "3"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    verdict = "etcdctl says that all members are healthy" if result.returncode == 0 else "etcdctl does not agree:\n" + result.stdout
    screen.say(verdict)


def welcome(members, endpoints, data):
    restart = "\n".join(f"  {m.shell_command()}" for m in members)
    return f"""
Three members are up. Talk to any of them from another terminal:

  export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={endpoints}
  etcdctl put greeting hello
  etcdctl get greeting
  etcdctl endpoint status -w table
  curl http://{members[0].client}/metrics

Kill one (kill -9 {members[0].process.pid} is {members[0].name}) and the others go on. A dead member is started again with its command:
{restart}

Data and logs are in {data}/. Ctrl-C stops all three; the data is there at the next start.
"""


def main():
    parser = argparse.ArgumentParser(prog="./x run", description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default="build/release/cairn")
    parser.add_argument("--data", type=pathlib.Path, default="data", help="where data and logs are kept (default: data)")
    options = parser.parse_args()

    screen = Screen()
    members = [Member(i, options.binary, options.data) for i in range(len(CLIENT_PORTS))]
    taken = list(busy_ports(members))
    for member, port in taken:
        screen.say(f"port {port} of {member.name} is taken: stop what listens there (ss -ltnp 'sport = :{port}'), then start again")
    if taken:
        return 1

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = Cluster(members, screen, stopping)
    for member in members:
        member.start()
    endpoints = ",".join(m.client for m in members)
    up = cluster.wait_until_healthy()
    if up:
        etcdctl_agrees(endpoints, screen)
        screen.say(welcome(members, endpoints, options.data))
        cluster.watch()
    screen.say("stopping")
    clean = cluster.stop()
    if not up:
        return 0 if stopping.is_set() else 1
    screen.say("stopped" if clean else "stopped, but not all of them cleanly")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
