#!/usr/bin/env python3
"""Which folder may include which, and what each may ask of the system.

A folder includes only those above it in LAYERS. The core (src/raft) is pure: no clock, thread, random
device, file or socket. The operating system is reached through src/env/posix alone. Public headers
name no type of another library.

The rules are tried on bad examples first: a rule that finds nothing in them fails the test.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["include", "src", "sim", "tests", "bench", "fuzz", "examples"]

# Lower ones first. Folders on one line do not include each other.
LAYERS = [
    ["src/base"],
    ["src/env"],
    ["src/raft"],
    ["src/wal"],
    ["src/snapshot"],
    ["src/transport"],
    ["src/replica"],
    ["src/mvcc"],
    ["src/lease", "src/auth", "src/alarm", "src/membership"],
    ["src/apply"],
    ["src/http"],
    ["src/api"],
    ["src/server"],
    ["src/client"],
    ["src/cli"],
]
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}

# The implementations of src/env are chosen by who starts the process (src/cli, sim, tests), and known to nobody else.
ENV_IMPLEMENTATIONS = ("src/env/posix", "src/env/sim")
IMPLEMENTATION_USERS = ("src/cli", "src/client", "sim", "bench", "fuzz", "tests")

PURE = ["src/raft"]
# What standard headers the pure core may not have, and why it could not be replayed with them.
IMPURE_HEADERS = {
    "chrono", "thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic", "random",
    "fstream", "iostream", "cstdio", "stdio.h", "ctime", "time.h", "filesystem", "semaphore",
    "latch", "barrier", "stop_token", "cstdlib", "stdlib.h", "csignal", "coroutine",
}
IMPURE_CALLS = re.compile(
    r"(?<![\w.>:])(?:std::)?(?:time|clock|rand|srand|getenv|printf|fprintf|puts|fopen|sleep"
    r"|usleep|nanosleep|clock_gettime|gettimeofday|getrandom|getpid|abort|exit)\s*\("
    r"|(?<![\w.>:])random\s*\(\s*\)"
    r"|std::(?:random_device|mt19937\w*|cout|cerr|clog|unordered_map|unordered_set|thread|mutex|chrono)\b"
)

SYSTEM_HEADERS = re.compile(
    r"^(?:sys/|linux/|netinet/|arpa/|net/|netdb\.h|unistd\.h|fcntl\.h|poll\.h|dirent\.h|pthread\.h|sched\.h"
    r"|signal\.h|csignal|thread|mutex|shared_mutex|condition_variable|future|fstream|filesystem"
    r"|random|ctime|time\.h|semaphore\.h)"
)
# Beyond src/env/posix, and only with a reason.
SYSTEM_ALLOWED = {
    "src/api/etcd/process_stats.cc": ({"dirent.h", "sys/resource.h", "unistd.h", "fstream"},
                                      "what the process uses, for metrics; no decision depends on it"),
    "src/cli/main.cc": ({"sys/resource.h", "unistd.h", "csignal"},
                        "the process itself: limit of open files, environment, names of signals"),
    "src/http/http1_session.cc": ({"ctime"}, "writes a given time as the Date header; reads no clock"),
    "src/http/session.cc": ({"mutex"}, "slots are shared by the servers of a process; taken once a connection"),
    "src/mvcc/rocksdb_files.cc": ({"mutex", "condition_variable"}, "RocksDB has threads of its own"),
    "src/mvcc/sim_files.h": ({"mutex"}, "is read on the loop and written on a worker, as RocksDB is"),
    "src/server/log_sink.cc": ({"ctime"}, "takes a time given to it apart; reads no clock"),
}

CXX_HEADERS = {
    "algorithm", "any", "array", "atomic", "bit", "bitset", "cassert", "cctype", "cerrno", "charconv",
    "chrono", "cinttypes", "climits", "cmath", "compare", "concepts", "cstddef", "cstdint",
    "cstdio", "cstdlib", "cstring", "deque", "exception", "functional", "initializer_list", "ios",
    "iosfwd", "iterator", "limits", "list", "map", "memory", "memory_resource", "new", "numeric",
    "optional", "ostream", "queue", "ranges", "ratio", "set", "source_location", "span", "sstream",
    "stack", "stdexcept", "string", "string_view", "system_error", "tuple", "type_traits",
    "typeindex", "typeinfo", "unordered_map", "unordered_set", "utility", "variant", "vector",
    "version",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def without_comments_and_strings(text):
    """The code with the same lines, so that words in comments and strings are no calls."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def layer_of(path):
    """'src/env' of 'src/env/posix/loop.cc'; None outside src/."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "src" and len(parts) > 2 else None


def is_test(path):
    return re.search(r"(_test|_bench|_harness)\.(cc|h)$|/testing/|(^|/)test_\w+\.(cc|h)$", path) is not None


def check_layer(path, header, problem):
    own, theirs = layer_of(path), layer_of(header)
    if own not in RANK:
        problem(f"{own} stands in no layer: add it to LAYERS")
        return
    if theirs is None:
        return
    if theirs not in RANK:
        problem(f"includes {header}, which stands in no layer")
    elif theirs != own and RANK[theirs] >= RANK[own]:
        problem(f"includes {header}, but {own} stands below {theirs}: a folder includes only those above it")


def check_implementation(path, header, problem):
    if not header.startswith(tuple(f + "/" for f in ENV_IMPLEMENTATIONS)):
        return
    same = any(path.startswith(f + "/") and header.startswith(f + "/") for f in ENV_IMPLEMENTATIONS)
    if not same and not path.startswith(tuple(f + "/" for f in IMPLEMENTATION_USERS)):
        problem(f"includes {header}: only who starts a process chooses an implementation of src/env")


def check_file(path, text):
    """The list of (line, problem) of one file."""
    problems = []
    code = without_comments_and_strings(text)

    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        quote, header = match.groups()

        def problem(why, line=line):
            problems.append((line, why))

        if path.startswith("include/cairn/"):
            ours = quote == '"' and header.startswith("cairn/") or header.startswith("cairn/")
            if not ours and header not in CXX_HEADERS:
                problem(f"includes {header}: public headers name only the standard library and cairn/")
            continue
        if layer_of(path) is None:
            continue
        if quote == '"' and header.startswith("../"):
            problem(f"includes {header}: paths are written from the root")
        if is_test(path):
            continue
        if header.startswith(("src/", "sim/", "tests/", "bench/", "fuzz/")):
            if not header.startswith("src/"):
                problem(f"includes {header}: the product does not include its tests")
            check_layer(path, header, problem)
            check_implementation(path, header, problem)
        pure = any(path.startswith(f + "/") for f in PURE)
        if pure and (header in IMPURE_HEADERS or header.startswith("src/env/")):
            problem(f"includes {header}: the core has no clock, thread, randomness or I/O of its own")
        if quote == "<" and SYSTEM_HEADERS.match(header) and not path.startswith("src/env/posix/"):
            if header not in SYSTEM_ALLOWED.get(path, ((), ""))[0]:
                problem(f"includes <{header}>: the system is reached through src/env alone")

    if any(path.startswith(f + "/") for f in PURE) and not is_test(path):
        for match in IMPURE_CALLS.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            problems.append((line, f"uses {match.group().strip()}...: not in the pure core"))
    return problems


BAD_EXAMPLES = [
    ("src/raft/x.cc", "#include <chrono>\n"),
    ("src/raft/x.cc", "#include <thread>\n"),
    ("src/raft/x.h", '#include "src/env/time.h"\n'),
    ("src/raft/quorum/x.cc", "int f() { return rand (); }\n"),
    ("src/raft/x.cc", "auto t = time(nullptr);\n"),
    ("src/raft/x.cc", "auto t = std::chrono::steady_clock::now();\n"),
    ("src/raft/x.cc", "std::random_device device;\n"),
    ("src/base/x.h", '#include "src/env/env.h"\n'),
    ("src/wal/x.cc", '#include "src/replica/replica.h"\n'),
    ("src/lease/x.cc", '#include "src/auth/auth.h"\n'),
    ("src/http/x.cc", "  #  include   <sys/socket.h>\n"),
    ("src/mvcc/x.cc", "#include <thread>\n"),
    ("src/server/x.cc", "#include <unistd.h>\n"),
    ("src/replica/x.cc", '#include "src/env/posix/loop.h"\n'),
    ("src/env/x.cc", '#include "src/env/sim/world.h"\n'),
    ("src/wal/x.cc", '#include "sim/world.h"\n'),
    ("src/wal/x.cc", '#include "../env/env.h"\n'),
    ("src/odd/x.cc", '#include "src/base/types.h"\n'),
    ("include/cairn/x.h", "#include <boost/asio.hpp>\n"),
    ("include/cairn/x.h", "#include <sys/types.h>\n"),
    ("include/cairn/x.h", '#include "src/raft/types.h"\n'),
]
GOOD_EXAMPLES = [
    ("src/raft/x.cc", '#include <vector>\n#include "src/base/types.h"\n// time(nullptr) is not called\n'),
    ("src/raft/x.cc", 'auto a = node.time(3); auto b = election_time(); auto c = "rand()";\n'),
    ("src/raft/x_test.cc", "#include <random>\n"),
    ("src/env/posix/x.cc", '#include <sys/epoll.h>\n#include "src/env/posix/loop.h"\n'),
    ("src/wal/x.cc", '#include "src/wal/wal.h"\n#include "src/env/env.h"\n#include <xxhash.h>\n'),
    ("src/cli/main.cc", '#include "src/env/posix/real_env.h"\n'),
    ("sim/x.cc", "#include <random>\n"),
    ("include/cairn/x.h", '#include <string>\n#include "cairn/status.h"\n'),
]


def check_the_checker():
    for path, text in BAD_EXAMPLES:
        if not check_file(path, text):
            yield f"the bad example {path} {text!r} was not found"
    for path, text in GOOD_EXAMPLES:
        for _, why in check_file(path, text):
            yield f"the good example {path} {text!r} was refused: {why}"


def main():
    failures = list(check_the_checker())
    files = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for pattern in ("*.h", "*.cc")
                   for path in (ROOT / folder).rglob(pattern))
    if not any(path.startswith("src/raft/") for path in files):
        failures.append("no source was looked at")
    for path in files:
        text = (ROOT / path).read_text(encoding="utf-8")
        failures += [f"{path}:{line}: {why}" for line, why in check_file(path, text)]
    for failure in failures:
        print(failure)
    print(f"layers: {len(files)} files, {len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
