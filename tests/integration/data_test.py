#!/usr/bin/env python3
"""Data directories and disks: whose they are, full ones and damaged ones."""

import os
import shutil
import subprocess
import unittest

from cluster import Cluster, Member, run_cairn, wait_for
from writer import Writer

DISK_BYTES = 256 << 20
LARGE = 1 << 20


class DataDirectory(unittest.TestCase):
    def assert_does_not_start(self, member, *words):
        """It ends with status 1 and one plain line with these words."""
        result = run_cairn("server", *member.flags())
        self.assertEqual(result.returncode, 1, result.stderr)
        said = [line for line in result.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(said), 1, result.stderr)
        for word in words:
            self.assertIn(word, said[0])

    def test_another_members_directory_is_refused(self):
        with Cluster() as cluster:
            cluster.put("k", "v")
            first, second, _ = cluster.members
            first.kill()
            second.kill()
            own, second.data_dir = second.data_dir, first.data_dir
            self.assert_does_not_start(second, str(first.data_dir), 'belongs to member "m1"', 'not to member "m2"')
            second.data_dir = own
            for member in (first, second):
                member.start()
            cluster.wait_healthy()
            self.assertEqual(cluster.get("k"), "v")

    def test_another_clusters_directory_is_refused(self):
        with Cluster() as cluster:
            member = cluster.members[0]
            member.kill()
            member.extra.append("--initial-cluster-token=other")
            self.assert_does_not_start(member, str(member.data_dir), "of cluster", "--initial-cluster-token=etcd-cluster")

    def test_a_directory_in_use_is_refused(self):
        with Cluster(size=1) as cluster:
            running = cluster.members[0]
            twin = Member(running.name, 1, 2, cluster.folder)
            twin.peer, twin.client = running.peer, running.client
            twin.initial_cluster = running.initial_cluster
            self.assert_does_not_start(twin, str(running.data_dir), "in use by another process")
            cluster.put("still", "there")

    def test_etcds_directory_is_refused(self):
        with Cluster(size=1) as cluster:
            member = cluster.members[0]
            member.data_dir = cluster.folder / "foreign"
            (member.data_dir / "member" / "snap").mkdir(parents=True)
            (member.data_dir / "member" / "snap" / "db").write_bytes(b"bolt")
            self.assert_does_not_start(member, "holds data of etcd")

    def test_a_member_that_lost_its_log_does_not_come_back_as_if_new(self):
        with Cluster() as cluster:
            member = cluster.followers()[0]
            member.kill()
            shutil.rmtree(member.data_dir / "member" / "wal")
            self.assert_does_not_start(member, "log", "is missing")
            cluster.put("others", "go on")

    def test_the_directory_is_the_owners_alone(self):
        with Cluster(size=1) as cluster:
            self.assertEqual(cluster.members[0].data_dir.stat().st_mode & 0o777, 0o700)


class Damage(unittest.TestCase):
    def test_damage_in_the_log_is_reported_with_its_place_and_nothing_is_lost(self):
        with Cluster() as cluster:
            with Writer(cluster.members) as writer:
                wait_for(lambda: writer.count() >= 500, "500 writes", explain=cluster.logs)
            cluster.put("marker-that-is-damaged", "x" * 2000)
            with Writer(cluster.members) as more:
                wait_for(lambda: more.count() >= 500, "500 writes", explain=cluster.logs)
            victim = cluster.followers()[0]
            victim.kill()
            segment, offset = self.find(victim.data_dir / "member" / "wal", b"x" * 2000)
            with open(segment, "r+b") as file:
                file.seek(offset + 1000)
                file.write(b"y")
            before = {path: path.read_bytes() for path in segment.parent.iterdir()}

            result = run_cairn("server", *victim.flags())
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(segment.name, result.stderr)
            self.assertRegex(result.stderr, "offset")
            self.assertEqual({path: path.read_bytes() for path in segment.parent.iterdir()}, before,
                             "a damaged log is evidence: it stays as it is")
            cluster.put("others", "go on")
            acknowledged = {**writer.acknowledged, **more.acknowledged}
            for member in cluster.running():
                there = cluster.get_prefix("w/", on=member)
                self.assertEqual({k for k, v in acknowledged.items() if there.get(k) != v}, set())

    def find(self, folder, needle):
        for path in sorted(folder.iterdir()):
            at = path.read_bytes().find(needle)
            if at >= 0:
                return path, at
        self.fail("the entry is not in the log")


class FullDisk(unittest.TestCase):
    def mount(self, folder):
        folder.mkdir(parents=True)
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "cairn-test", str(folder)],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            shutil.rmtree(folder.parent)
            self.skipTest(f"a small disk cannot be mounted here: {result.stderr.strip()}")
        self.addCleanup(self.unmount, folder)

    @staticmethod
    def unmount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder.parent, ignore_errors=True)

    def test_a_member_on_a_full_disk_stops_with_a_reason_and_the_others_go_on(self):
        cluster = Cluster()
        victim = cluster.members[0]
        self.mount(victim.data_dir)
        with cluster:
            with Writer(cluster.members) as writer:
                wait_for(lambda: writer.count() >= 200, "200 writes", explain=cluster.logs)
            free = os.statvfs(victim.data_dir)
            self.fill(victim.data_dir / "filler", free.f_bavail * free.f_frsize)
            # Large values, until the log needs room that is not there.
            others = [m for m in cluster.members if m is not victim]
            for number in range(4 * DISK_BYTES // LARGE):
                if not victim.running() or not victim.healthy():
                    break
                cluster.etcdctl("put", f"big/{number % 8}", on=others[number % 2], text_in="x" * LARGE)
            else:
                self.fail("the disk is full but the member does not notice\n" + cluster.logs())
            if victim.running():
                status, body = victim.get("/health")
                self.assertEqual(status, 503)
                self.assertRegex(body, "(?i)no space|disk")
            self.assertRegex(victim.log_text(), "(?i)no space|disk full")
            with Writer(others) as after:
                wait_for(lambda: after.count() >= 200, "writes go on", explain=cluster.logs)
            # With room again, the same command brings it back with everything.
            if victim.running():
                victim.kill()
            (victim.data_dir / "filler").unlink()
            victim.start()
            cluster.wait_healthy()
            there = cluster.get_prefix("w/", on=victim)
            acknowledged = {**writer.acknowledged, **after.acknowledged}
            self.assertEqual({k for k, v in acknowledged.items() if there.get(k) != v}, set())

    @staticmethod
    def fill(path, size):
        with open(path, "wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                while True:
                    try:
                        file.write(b"\0" * 65536)
                        file.flush()
                    except OSError:
                        return


if __name__ == "__main__":
    unittest.main(verbosity=2)
