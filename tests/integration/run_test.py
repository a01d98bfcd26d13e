#!/usr/bin/env python3
"""tools/run_cluster.py, which `./x run` starts: status, death and return of a member, Ctrl-C."""

import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from cluster import BINARY, ROOT, require_binaries, wait_for


class Run(unittest.TestCase):
    def setUp(self):
        require_binaries()
        for port in (2379, 2380, 22379, 22380, 32379, 32380):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    self.skipTest(f"port {port} is in use on this machine, and the addresses are fixed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "output"
        self.runner = None
        self.addCleanup(self.end)

    def end(self):
        if self.runner is not None and self.runner.poll() is None:
            # Its members are told of its end by the kernel.
            self.runner.kill()
            self.runner.wait()

    def start(self):
        with open(self.output, "ab") as out:
            self.runner = subprocess.Popen(
                [sys.executable, str(ROOT / "tools/run_cluster.py"), f"--binary={BINARY}", f"--data={self.folder}/data"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def text(self):
        return self.output.read_text() if self.output.exists() else ""

    def wait_for_text(self, pattern, count=1):
        wait_for(lambda: len(re.findall(pattern, self.text())) >= count or self.runner.poll() is not None, pattern,
                 explain=self.text)
        self.assertGreaterEqual(len(re.findall(pattern, self.text())), count, self.text())

    def stop(self):
        self.runner.send_signal(signal.SIGINT)
        self.assertEqual(self.runner.wait(60), 0, self.text())

    def etcdctl(self, *arguments):
        return subprocess.run(["etcdctl", "--endpoints=127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379", *arguments],
                              env={"PATH": os.environ["PATH"], "ETCDCTL_API": "3"}, capture_output=True, text=True,
                              timeout=30, check=True).stdout

    def test_start_status_death_return_stop_and_data_at_the_next_start(self):
        self.start()
        self.wait_for_text("Talk to any of them")
        self.assertIn("etcdctl says that all members are healthy", self.text())
        self.wait_for_text(r"leader m\d  term [1-9]\d*  commit \d+  [\d,]+ writes/s  lag m1 \d+ m2 \d+ m3 \d+")
        self.etcdctl("put", "greeting", "hello")

        victim = int(re.search(r"kill -9 (\d+) is m1", self.text()).group(1))
        os.kill(victim, signal.SIGKILL)
        self.wait_for_text(r"m1 was killed by signal 9")
        self.wait_for_text(r"lag m1 DOWN")
        command = re.search(r"start it again.*\n  (.*)\n", self.text()).group(1)
        with open(self.folder / "elsewhere.log", "wb") as log:
            again = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True)
        try:
            self.wait_for_text(r"m1 is back \(started elsewhere")
            self.assertEqual(self.etcdctl("get", "--print-value-only", "greeting").strip(), "hello")
            self.stop()
            self.assertIn("still running, started elsewhere: m1", self.text())
        finally:
            again.terminate()
            self.assertEqual(again.wait(60), 0)

        self.output.unlink()
        self.start()
        self.wait_for_text("Talk to any of them")
        self.assertEqual(self.etcdctl("get", "--print-value-only", "greeting").strip(), "hello")
        self.stop()
        self.assertIn("stopped", self.text())

    def test_a_busy_port_is_said_and_nothing_starts(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 22380))
            taken.listen()
            self.start()
            self.assertEqual(self.runner.wait(30), 1)
        self.assertIn("port 22380 of m2 is taken", self.text())
        self.assertFalse((self.folder / "data").exists())

    def test_a_member_that_cannot_start_is_said_with_the_end_of_its_log(self):
        (self.folder / "data" / "m2" / "member" / "snap").mkdir(parents=True)
        self.start()
        self.assertEqual(self.runner.wait(60), 1)
        self.assertRegex(self.text(), "m2 exited with status 1")
        self.assertIn("holds data of etcd", self.text())
        with self.assertRaises(OSError):
            urllib.request.urlopen("http://127.0.0.1:2379/health", timeout=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
