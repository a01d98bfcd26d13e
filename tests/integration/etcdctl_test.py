#!/usr/bin/env python3
"""What etcdctl does works on any member, and the HTTP endpoints say how things are."""

import json
import socket
import unittest

from cluster import Cluster, wait_for


class Etcdctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.end()

    def test_what_one_member_took_every_member_gives(self):
        for writer in self.cluster.members:
            key = f"seen/{writer.name}"
            self.cluster.put(key, "here", on=writer)
            for reader in self.cluster.members:
                self.assertEqual(self.cluster.get(key, reader), "here", f"{writer.name} -> {reader.name}")

    def test_prefix_order_limit_count(self):
        for number in range(5):
            self.cluster.put(f"p/{number}", f"v{number}")
        self.assertEqual(self.cluster.get_prefix("p/"), {f"p/{n}": f"v{n}" for n in range(5)})
        keys = self.cluster.etcdctl("get", "--prefix", "--keys-only", "--order=DESCEND", "--limit=2", "p/").split()
        self.assertEqual(keys, ["p/4", "p/3"])
        answer = json.loads(self.cluster.etcdctl("get", "--prefix", "--limit=2", "-w", "json", "p/"))
        self.assertEqual((len(answer["kvs"]), answer["count"], answer["more"]), (2, 5, True))
        ranged = self.cluster.etcdctl("get", "--keys-only", "p/1", "p/3").split()
        self.assertEqual(ranged, ["p/1", "p/2"])

    def test_delete(self):
        for number in range(3):
            self.cluster.put(f"d/{number}", "x")
        self.assertEqual(self.cluster.etcdctl("del", "d/0", on=self.cluster.members[1]).strip(), "1")
        self.assertEqual(self.cluster.etcdctl("del", "d/0").strip(), "0")
        self.assertEqual(self.cluster.etcdctl("del", "--prefix", "d/").strip(), "2")
        self.assertEqual(self.cluster.get_prefix("d/"), {})

    def test_compare_and_swap_on_every_member(self):
        self.cluster.put("cas", "0")
        for step, member in enumerate(self.cluster.members):
            swap = f'value("cas") = "{step}"\n\nput cas {step + 1}\n\nget cas\n\n'
            self.assertTrue(self.cluster.etcdctl("txn", on=member, text_in=swap).startswith("SUCCESS"))
            again = self.cluster.etcdctl("txn", on=member, text_in=swap)
            self.assertTrue(again.startswith("FAILURE"), again)
            self.assertIn(str(step + 1), again)

    def test_revisions_and_versions(self):
        self.cluster.etcdctl("del", "r")
        first = json.loads(self.cluster.etcdctl("put", "r", "1", "-w", "json"))["header"]["revision"]
        second = json.loads(self.cluster.etcdctl("put", "r", "2", "-w", "json"))["header"]["revision"]
        self.assertEqual(second, first + 1)
        kv = json.loads(self.cluster.etcdctl("get", "r", "-w", "json"))["kvs"][0]
        self.assertEqual((kv["create_revision"], kv["mod_revision"], kv["version"]), (first, second, 2))
        self.assertEqual(self.cluster.get("r", None, f"--rev={first}"), "1")

    def test_previous_value(self):
        self.cluster.put("prev", "old")
        self.assertIn("old", self.cluster.etcdctl("put", "--prev-kv", "prev", "new"))

    def test_serializable_read(self):
        self.cluster.put("s", "v")
        for member in self.cluster.members:
            wait_for(lambda m=member: self.cluster.get("s", m, "--consistency=s") == "v", f"{member.name} has it")

    def test_members_agree_on_who_they_are(self):
        lists = {self.cluster.etcdctl("member", "list", on=m) for m in self.cluster.members}
        self.assertEqual(len(lists), 1, lists)
        for member in self.cluster.members:
            self.assertIn(f"{member.name}, http://{member.peer}, http://{member.client}", next(iter(lists)))
        status = self.cluster.status()
        self.assertEqual(len(status), 3)
        self.assertEqual(len({s["header"]["cluster_id"] for s in status.values()}), 1)
        self.assertEqual(len({s["leader"] for s in status.values()}), 1)
        self.assertEqual(len({s["header"]["member_id"] for s in status.values()}), 3)
        self.assertIn(next(iter(status.values()))["leader"], {s["header"]["member_id"] for s in status.values()})
        self.cluster.etcdctl("endpoint", "health")

    def test_a_request_that_is_too_large_is_refused_and_nobody_else_suffers(self):
        result = self.cluster.etcdctl("put", "large", text_in="x" * (2 << 20), check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "too large|larger than max")
        self.cluster.put("small", "fine")

    def test_garbage_on_either_port_hurts_nobody(self):
        garbage = [b"\x00" * 4096, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096, b"GET / HTTP/1.1\r\n" + b"a" * 200000,
                   b"POST /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", bytes(range(256)) * 64]
        for member in self.cluster.members:
            for address in (member.client, member.peer):
                for bytes_sent in garbage:
                    host, port = address.split(":")
                    with socket.create_connection((host, int(port)), timeout=5) as connection:
                        try:
                            connection.sendall(bytes_sent)
                            connection.shutdown(socket.SHUT_WR)
                            while connection.recv(4096):
                                pass
                        except OSError:
                            pass  # reset: refused as it may be
        self.cluster.put("after", "garbage")
        for member in self.cluster.members:
            self.assertTrue(member.running())
            self.assertEqual(self.cluster.get("after", member), "garbage")

    def test_http_endpoints(self):
        for member in self.cluster.members:
            status, body = member.get("/health")
            self.assertEqual((status, json.loads(body)), (200, {"health": "true", "reason": ""}))
            status, body = member.get("/version")
            self.assertEqual(status, 200)
            self.assertEqual(set(json.loads(body)), {"etcdserver", "etcdcluster"})
            self.assertEqual(member.get("/livez")[0], 200)
            status, body = member.get("/readyz?verbose")
            self.assertEqual(status, 200)
            for check in ("serializable_read", "linearizable_read", "data_corruption", "non_learner"):
                self.assertIn(f"[+]{check} ok", body)
            self.assertEqual(member.get("/no/such/page")[0], 404)
            self.assertEqual(member.metric("etcd_server_has_leader"), 1)
        self.assertEqual(sum(m.metric("etcd_server_is_leader") for m in self.cluster.members), 1)

    def test_the_log_says_when_it_serves(self):
        for member in self.cluster.members:
            for words in ("published", "enabled capabilities for version", "ready to serve client requests"):
                wait_for(lambda m=member, w=words: w in m.log_text(), f"{member.name} logs {words!r}")
            for line in member.log_text().splitlines():
                self.assertIn("level", json.loads(line), line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
