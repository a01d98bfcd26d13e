#!/usr/bin/env python3
"""Cairn beside Debian's etcd: three members each, same flags, same disk, in turn.

A round is etcd then Cairn for every shape, each on members started fresh in a folder of their own; the next round begins with
the other one. Printed are medians over the rounds, with the ratio that matters, and everything as JSON with --json.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60
ELECTION_MS = 1000
HEARTBEAT_MS = 100
LOAD_SLACK_S = 90  # beyond its duration, for preload and connecting

# Name: arguments of cairn-load.
SHAPES = {
    "put-1x1": ["put", "--connections=1", "--streams=1"],
    "put-8x8": ["put", "--connections=8", "--streams=8"],
    "put-64x8": ["put", "--connections=64", "--streams=8"],
    "range-1x1": ["range", "--connections=1", "--streams=1"],
    "range-64x8": ["range", "--connections=64", "--streams=8"],
    "serializable-64x8": ["range", "--serializable", "--connections=64", "--streams=8"],
    "mixed-64x8": ["mixed", "--reads=0.9", "--connections=64", "--streams=8"],
}
DEFAULT_SHAPES = ["put-64x8", "put-1x1", "range-64x8"]


def free_ports(count):
    with contextlib.ExitStack() as sockets:
        ports = []
        for _ in range(count):
            probe = sockets.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        return ports


class Member:
    def __init__(self, name, command, client, folder):
        self.name, self.client, self.log = name, client, folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=folder, start_new_session=True, env={"PATH": os.environ["PATH"]})

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.client}{path}", timeout=2) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return ""

    def healthy(self):
        return '"health":"true"' in self.get("/health").replace(" ", "")

    def leads(self):
        return "\netcd_server_is_leader 1" in self.get("/metrics")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def bytes_written(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        return 0


class Cluster:
    """Three fresh members; gone with their folder at the end."""

    def __init__(self, command, disk):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cairn-bench-", dir=disk))
        ports = free_ports(6)
        initial = ",".join(f"m{i}=http://127.0.0.1:{ports[2 * i + 1]}" for i in range(3))
        self.members = []
        for i in range(3):
            client, peer = f"127.0.0.1:{ports[2 * i]}", f"127.0.0.1:{ports[2 * i + 1]}"
            self.members.append(Member(f"m{i}", command + [
                f"--name=m{i}", f"--data-dir={self.folder}/m{i}.data", f"--initial-cluster={initial}",
                f"--listen-client-urls=http://{client}", f"--advertise-client-urls=http://{client}",
                f"--listen-peer-urls=http://{peer}", f"--initial-advertise-peer-urls=http://{peer}",
                f"--heartbeat-interval={HEARTBEAT_MS}", f"--election-timeout={ELECTION_MS}",
                # etcd stops at 2 GiB by default, amid the fastest shapes.
                f"--quota-backend-bytes={8 << 30}"], client, self.folder))

    def __enter__(self):
        try:
            self.wait(lambda: all(m.healthy() for m in self.members), "healthy")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, condition, what):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            for member in self.members:
                if member.process.poll() not in (None, -signal.SIGKILL):
                    raise RuntimeError(f"{member.name} ended:\n{member.log.read_text(errors='replace')[-2000:]}")
            if time.monotonic() > deadline:
                logs = "\n".join(m.log.read_text(errors="replace")[-1000:] for m in self.members)
                raise RuntimeError(f"the members are not {what} within {START_TIMEOUT_S} s:\n{logs}")
            time.sleep(0.02)

    def leader(self):
        self.wait(lambda: sum(m.leads() for m in self.members) == 1, "led by one of them")
        return next(m for m in self.members if m.leads())

    def endpoints(self, members=None):
        return ",".join(m.client for m in members or self.members)

    def usage(self):
        return (sum(m.cpu_seconds() for m in self.members), sum(m.bytes_written() for m in self.members))


def load(options, arguments, endpoints, seconds, warmup):
    command = [str(options.load), *arguments, f"--endpoints={endpoints}", f"--duration={seconds}",
               f"--warmup={warmup}", f"--value-size={options.value_size}", f"--keys={options.keys}", "--json"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def finish(process, seconds):
    try:
        out, _ = process.communicate(timeout=seconds + LOAD_SLACK_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RuntimeError("the load generator did not end in time") from None
    if process.returncode != 0:
        raise RuntimeError(f"the load generator failed with status {process.returncode}: {out}")
    result = json.loads(out)
    latency = result.pop("latency_us")
    return {"rate": result.pop("ops_per_second"), "p50_us": latency["p50"], "p99_us": latency["p99"],
            "p999_us": latency["p99.9"], **result}


def measure_shape(options, command, shape):
    arguments = list(SHAPES[shape])
    if arguments[0] != "put":
        arguments.append(f"--preload={options.keys}")
    with Cluster(command, options.disk) as cluster:
        cpu_before, written_before = cluster.usage()
        result = finish(load(options, arguments, cluster.endpoints(), options.seconds, options.warmup),
                        options.seconds + options.warmup + options.preload_timeout)
        cpu_after, written_after = cluster.usage()
        result["peak_rss_mb"] = max(m.peak_rss_bytes() for m in cluster.members) / 1e6
        if arguments[0] == "put":
            # Warm-up included on both sides: close enough for a ratio.
            done = result["ops"] * (options.seconds + options.warmup) / options.seconds
            result["cpu_us_per_op"] = (cpu_after - cpu_before) * 1e6 / done
            result["written_bytes_per_op"] = (written_after - written_before) / done
        return result


def measure_failover(options, command):
    """Milliseconds without an accepted write when the leader is killed; clients of the survivors, a write due each 5 ms."""
    gaps = []
    for _ in range(options.failovers):
        with Cluster(command, options.disk) as cluster:
            leader = cluster.leader()
            survivors = [m for m in cluster.members if m is not leader]
            seconds = 5 + 3 * ELECTION_MS / 1000
            process = load(options, ["put", "--connections=4", "--streams=400", "--rate=200", "--timeout=4"],
                           cluster.endpoints(survivors), seconds, 1)
            time.sleep(2.5)  # until the load is steady; the moment of the kill within it does not matter
            leader.process.kill()
            gaps.append(finish(process, seconds)["longest_gap_ms"])
    return {"gap_ms": statistics.median(gaps), "gaps_ms": sorted(gaps)}


def median_of(results):
    """The median of every number that all results have."""
    keys = [k for k, v in results[0].items() if isinstance(v, (int, float))]
    return {k: statistics.median(r[k] for r in results) for k in keys if all(k in r for r in results)}


# Column: (key, whether more is better).
COLUMNS = {
    "rate /s": ("rate", True), "p50 us": ("p50_us", False), "p99 us": ("p99_us", False), "p99.9 us": ("p999_us", False),
    "CPU us/op": ("cpu_us_per_op", False), "peak RSS MB": ("peak_rss_mb", False),
    "written B/op": ("written_bytes_per_op", False), "gap ms": ("gap_ms", False),
}


def print_table(medians):
    print(f"\n{'shape':<20}{'figure':<14}{'etcd':>14}{'cairn':>14}   ratio cairn/etcd")
    for shape, systems in medians.items():
        for column, (key, more_is_better) in COLUMNS.items():
            theirs, ours = systems["etcd"].get(key), systems["cairn"].get(key)
            if theirs is None or ours is None:
                continue
            ratio = ours / theirs if theirs else float("inf")
            better = (ratio > 1) == more_is_better
            print(f"{shape:<20}{column:<14}{theirs:>14,.1f}{ours:>14,.1f}   {ratio:.2f} {'' if better else '(worse)'}")


def machine(cairn):
    model = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "etcd": first_line("etcd", "--version"),
            "cairn": first_line(str(cairn), "--version"),
            "commit": first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")}


def main():
    parser = argparse.ArgumentParser(prog="./x bench", description=__doc__)
    parser.add_argument("--shapes", default=",".join(DEFAULT_SHAPES), help="of: " + ", ".join(SHAPES) + "; \"\": none")
    parser.add_argument("--rounds", type=int, default=3, help="each measures every shape on both (default 3)")
    parser.add_argument("--seconds", type=float, default=8, help="measured time of a shape")
    parser.add_argument("--warmup", type=float, default=2, help="load before that")
    parser.add_argument("--failovers", type=int, default=5, help="leaders killed on each, once a run; 0: none")
    parser.add_argument("--keys", type=int, default=1_000_000, help="key space; reads preload all of it")
    parser.add_argument("--value-size", type=int, default=128)
    parser.add_argument("--preload-timeout", type=float, default=300, help="seconds that preloading may take")
    parser.add_argument("--disk", type=pathlib.Path, default=ROOT / "build", help="folder on the disk to measure on")
    parser.add_argument("--cairn", type=pathlib.Path, default=ROOT / "build/release/cairn")
    parser.add_argument("--load", type=pathlib.Path, default=ROOT / "build/release/bench/load/cairn-load")
    parser.add_argument("--json", type=pathlib.Path, help="write everything here too")
    options = parser.parse_args()
    shapes = [s for s in options.shapes.split(",") if s]
    unknown = [s for s in shapes if s not in SHAPES]
    if unknown:
        parser.error(f"no shape {', '.join(unknown)}; there are {', '.join(SHAPES)}")
    for needed in (options.cairn, options.load):
        if not needed.exists():
            parser.error(f"{needed} is missing: build it with ./x build")

    systems = {"etcd": ["etcd"], "cairn": [str(options.cairn.resolve()), "server"]}
    results = {shape: {name: [] for name in systems} for shape in shapes}
    for number in range(options.rounds):
        # etcd first in one round, Cairn in the next: neither always finds the disk as the other left it.
        order = list(systems.items())[:: 1 if number % 2 == 0 else -1]
        for shape in shapes:
            for name, command in order:
                result = measure_shape(options, command, shape)
                results[shape][name].append(result)
                print(f"round {number + 1} {shape} {name}: {result['rate']:,.0f}/s, p50 {result['p50_us']:,.0f} us, "
                      f"p99 {result['p99_us']:,.0f} us, errors {result['errors'] or 'none'}", flush=True)
    if options.failovers > 0:
        results["leader-killed"] = {}
        for name, command in systems.items():
            result = measure_failover(options, command)
            results["leader-killed"][name] = [result]
            print(f"leader killed {name}: {result['gap_ms']:,.0f} ms without a write (each: {result['gaps_ms']})", flush=True)

    medians = {shape: {name: median_of(runs) for name, runs in by_name.items()} for shape, by_name in results.items()}
    print_table(medians)
    if options.json:
        record = {"machine": machine(options.cairn), "options": {k: str(v) for k, v in vars(options).items()},
                  "medians": medians, "runs": results}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
