"""Load that remembers what was acknowledged: threads that put keys over gRPC as fast as they are answered.

etcdctl starts a process for each put, far too slow to have many writes under way when a member dies.
So this speaks the little of HTTP/2 and gRPC that a Put needs. An answer with a message is an
acknowledgement; whatever else happens, the write is not counted as acknowledged.
"""

import itertools
import socket
import struct
import threading

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1


class NotAcknowledged(Exception):
    """The write failed, or nobody knows."""


def _frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _header(name, value):
    """HPACK: literal, not indexed, not compressed."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


class Connection:
    """One call at a time on one HTTP/2 connection."""

    def __init__(self, address, timeout_s):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0))
        self.next_stream = 1
        self.received = b""
        self.head = (_header(":method", "POST") + _header(":scheme", "http") +
                     _header(":path", "/etcdserverpb.KV/Put") + _header(":authority", address) +
                     _header("content-type", "application/grpc") + _header("te", "trailers"))

    def close(self):
        self.socket.close()

    def put(self, key, value):
        key, value = key.encode(), value.encode()
        message = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, self.head) +
                            _frame(_DATA, _END_STREAM, stream, b"\x00" + struct.pack(">I", len(message)) + message))
        answered = False
        while True:
            kind, flags, on, payload = self._read_frame()
            if kind == _SETTINGS and not flags & _ACK:
                self.socket.sendall(_frame(_SETTINGS, _ACK, 0))
            elif kind == _PING and not flags & _ACK:
                self.socket.sendall(_frame(_PING, _ACK, 0, payload))
            elif kind == _GOAWAY:
                raise NotAcknowledged("the server says good-bye")
            elif on == stream and kind == _RST_STREAM:
                raise NotAcknowledged("reset")
            elif on == stream and kind == _DATA:
                answered = answered or len(payload) >= 5
                self.socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", max(1, len(payload)))))
            if on == stream and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
                # An error comes in trailers alone, without a message.
                if not answered:
                    raise NotAcknowledged("an error")
                return

    def _read_frame(self):
        head = self._read(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return kind, flags, stream & 0x7FFFFFFF, self._read(length)

    def _read(self, count):
        while len(self.received) < count:
            more = self.socket.recv(65536)
            if not more:
                raise NotAcknowledged("closed")
            self.received += more
        taken, self.received = self.received[:count], self.received[count:]
        return taken


class Writer:
    """Use as a context: writes while it is open. Each thread stays with a member until that fails it."""

    def __init__(self, members, threads=6, timeout_s=3.0):
        self.addresses = [m.client for m in members]
        self.timeout_s = timeout_s
        self.acknowledged = {}  # key -> value
        self.failed = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def _run(self, index):
        connection = None
        turn = index
        for number in itertools.count():
            if self._stop.is_set():
                break
            key, value = f"w/{index}/{number}", f"v{index}.{number}"
            try:
                if connection is None:
                    connection = Connection(self.addresses[turn % len(self.addresses)], self.timeout_s)
                connection.put(key, value)
                with self._lock:
                    self.acknowledged[key] = value
            except (OSError, NotAcknowledged):
                with self._lock:
                    self.failed += 1
                if connection is not None:
                    connection.close()
                    connection = None
                turn += 1
                self._stop.wait(0.01)
        if connection is not None:
            connection.close()
