#!/usr/bin/env python3
"""No source is longer than 1,000 lines. A file in LONGER may not grow beyond what stands there."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["cmake", "include", "src", "sim", "tests", "bench", "fuzz", "examples", "tools"]
MOST_LINES = 1000
# Path: lines it may have. Take an entry out, or lower it, when the file shrinks; add none.
LONGER = {}


def problems_of(lengths):
    for path, lines in sorted(lengths.items()):
        most = LONGER.get(path, MOST_LINES)
        if lines > most:
            yield f"{path} has {lines} lines, {most} are allowed: split it by what it does"
        elif path in LONGER and lines < most:
            yield f"{path} has {lines} lines now: lower its entry in LONGER"
    for path in LONGER:
        if path not in lengths:
            yield f"{path} is gone: take it out of LONGER"


def main():
    lengths = {"x": (ROOT / "x").read_text(encoding="utf-8").count("\n")}
    for folder in FOLDERS:
        for pattern in ("*.h", "*.cc", "*.py", "*.cmake"):
            for path in (ROOT / folder).rglob(pattern):
                lengths[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8").count("\n")
    problems = list(problems_of(lengths))
    if not list(problems_of({"src/made_up.cc": MOST_LINES + 1})):
        problems.append("a file that is too long was not found")
    for problem in problems:
        print(problem)
    print(f"file lengths: {len(lengths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
