#!/usr/bin/env python3
"""The command line: what is wrong is said in one line, with the exit status that tools rely on."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

from cluster import BINARY, Cluster, free_ports, require_binaries, run_cairn, wait_for

TWO_MEMBERS = "m1=http://127.0.0.1:1,m2=http://127.0.0.1:2"
# Flags, and what the message must contain.
BAD_COMMAND_LINES = [
    (["--nonsense"], "--nonsense"),
    (["start"], "start"),
    (["--name"], "--name needs a value"),
    (["--listen-client-urls=127.0.0.1:2379"], "http://host:port"),
    (["--listen-peer-urls=http://127.0.0.1:port"], "port"),
    (["--listen-peer-urls=http://example.com:2380"], "IP address"),
    (["--listen-peer-urls=https://127.0.0.1:2380"], "TLS"),
    (["--listen-client-urls=http://127.0.0.1:1"], "--advertise-client-urls"),
    (["--initial-cluster="], "name=http://host:port"),
    (["--initial-cluster=m1"], "name=http://host:port"),
    (["--name=m3", f"--initial-cluster={TWO_MEMBERS}"], "m3=http://localhost:2380"),
    (["--name=m1", f"--initial-cluster={TWO_MEMBERS}"], "--initial-advertise-peer-urls"),
    (["--initial-cluster=a=http://h:1,b=http://h:1"], "twice"),
    (["--initial-cluster-state=old"], "new or existing"),
    (["--heartbeat-interval=fast"], "whole number"),
    (["--heartbeat-interval=1000", "--election-timeout=1000"], "at least 5000 ms"),
    (["--election-timeout=60000"], "50000"),
    (["--grpc-keepalive-timeout=20"], "duration"),
    (["--cert-file=c.pem"], "security"),
    (["--client-cert-auth"], "security"),
    (["--peer-auto-tls"], "security"),
    (["--auth-token=jwt"], "security"),
    (["--log-level=loud"], "debug, info"),
    (["--log-outputs=/no/such/folder/file"], "/no/such/folder/file"),
    (["--config-file=/no/such/file"], "/no/such/file"),
    (["--discovery=http://127.0.0.1:1/x"], "--initial-cluster"),
]


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require_binaries()

    def assert_refused(self, result, status, words):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        said = [line for line in result.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(said), 1, f"one line is expected: {result.stderr}")
        self.assertIn(words, said[0])

    def test_bad_input_is_one_line_and_status_2(self):
        for flags, words in BAD_COMMAND_LINES:
            with self.subTest(flags=flags):
                self.assert_refused(run_cairn("server", *flags), 2, words)

    def test_bad_environment_is_one_line_and_status_2(self):
        result = run_cairn("server", environment={"ETCD_ELECTION_TIMEOUT": "soon"})
        self.assert_refused(result, 2, "ETCD_ELECTION_TIMEOUT")
        result = run_cairn("server", environment={"ETCD_TRUSTED_CA_FILE": "ca.pem"})
        self.assert_refused(result, 2, "ETCD_TRUSTED_CA_FILE")

    def test_unknown_command(self):
        self.assert_refused(run_cairn("sever"), 2, "sever")

    def test_help_and_version(self):
        for arguments in (["--help"], ["help"], ["help", "server"], ["server", "--help"], []):
            result = run_cairn(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
            self.assertIn("usage: cairn", result.stdout)
        for arguments in (["--version"], ["version"], ["server", "--version"]):
            result = run_cairn(*arguments)
            self.assertEqual(result.returncode, 0)
            self.assertRegex(result.stdout, r"^cairn \d+\.\d+\.\d+\n$")

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            peer, = free_ports(1)
            result = run_cairn("server", f"--data-dir={folder}/d", f"--listen-client-urls=http://127.0.0.1:{port}",
                               f"--advertise-client-urls=http://127.0.0.1:{port}",
                               f"--listen-peer-urls=http://127.0.0.1:{peer}",
                               f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}")
            self.assert_refused(result, 1, f"127.0.0.1:{port}")

    def test_under_the_name_etcd_and_with_the_environment(self):
        """As tools start etcd: flags without a command, variables, one member, SIGTERM at the end."""
        with tempfile.TemporaryDirectory() as folder:
            etcd = pathlib.Path(folder) / "etcd"
            etcd.symlink_to(BINARY.resolve())
            client, peer = free_ports(2)
            log_path = pathlib.Path(folder) / "log"
            with open(log_path, "wb") as log:
                process = subprocess.Popen(
                    [str(etcd), "-name", "solo", "--listen-client-urls", f"http://127.0.0.1:{client}",
                     "--snapshot-count=1000"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env={"PATH": os.environ["PATH"], "ETCD_DATA_DIR": f"{folder}/d",
                         "ETCD_ADVERTISE_CLIENT_URLS": f"http://127.0.0.1:{client}",
                         "ETCD_LISTEN_PEER_URLS": f"http://127.0.0.1:{peer}",
                         "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"http://127.0.0.1:{peer}", "ETCD_UNKNOWN": "1"})
            try:
                wait_for(lambda: "ready to serve client requests" in log_path.read_text() or process.poll() is not None,
                         "it serves", explain=log_path.read_text)
                text = log_path.read_text()
                self.assertIsNone(process.poll(), text)
                self.assertEqual(len(re.findall("--snapshot-count has no effect", text)), 1, text)
                self.assertEqual(len(re.findall("ETCD_UNKNOWN is unknown", text)), 1, text)
                process.terminate()
                self.assertEqual(process.wait(30), 0)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def test_members_start_in_any_order_and_wait_for_each_other(self):
        cluster = Cluster()
        try:
            first, *others = cluster.members
            first.start()
            wait_for(lambda: first.log.exists() and "member started" in first.log_text(), "the first member starts",
                     explain=cluster.logs)
            self.assertFalse(first.healthy())
            self.assertNotIn("ready to serve client requests", first.log_text())
            for member in others:
                member.start()
            cluster.wait_healthy()
            wait_for(lambda: "ready to serve client requests" in first.log_text(), "the first member serves")
        finally:
            cluster.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
