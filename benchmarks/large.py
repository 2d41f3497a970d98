"""Large tables through `flyball init` and `flyball run --budget 20s`: two million rows, and five thousand columns.

Each command is a process of its own. Targets: it ends well, never holds more than 4 GB, and is never silent for more
than 20 seconds. What each step took is printed. `python -m benchmarks large` needs some 400 MB of disk for its tables.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

BUDGET = "20s"
MOST_GB = 4.0
MOST_SILENT_S = 20.0
SHAPES = {"2,000,000 rows": (2_000_000, 10), "5,000 columns": (2_000, 5_000)}


def main() -> dict[str, Any]:
    """Seconds, memory and the longest silence of each command on each table, and whether the targets were met."""
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="flyball-large-") as scratch:
        for name, (rows, columns) in SHAPES.items():
            print(f"-- {name}", flush=True)
            measured[name] = through_the_loop(make(Path(scratch) / f"{columns}.csv", rows, columns))
    commands = [command for table in measured.values() for command in table.values()]
    met = all(
        command["code"] == 0 and command["gigabytes"] <= MOST_GB and command["longest_silence_s"] <= MOST_SILENT_S
        for command in commands
    )
    return {"tables": measured, "targets": {"gigabytes": MOST_GB, "longest_silence_s": MOST_SILENT_S}, "met": met}


def make(path: Path, rows: int, columns: int, *, seed: int = 0) -> Path:
    """A CSV file of numbers, with texts, whole numbers and dates among them, and a target that two numbers make."""
    rng = np.random.default_rng(seed)
    numbers = {f"x{place}": rng.normal(size=rows).round(4) for place in range(columns - 4)}
    others = {
        "site": np.array(["north", "south", "east", "west"])[rng.integers(0, 4, rows)],
        "part": np.array([f"c{place}" for place in range(500)])[rng.integers(0, 500, rows)],
        "day": np.datetime64("2020-01-01") + rng.integers(0, 1000, rows).astype("timedelta64[D]"),
    }
    signal = numbers["x0"] + 0.5 * numbers["x1"] + rng.normal(size=rows)
    pl.DataFrame({**numbers, **others, "y": (signal > 0).astype(int)}).write_csv(path)
    return path


def through_the_loop(source: Path) -> dict[str, Any]:
    """`init` and `run` on a table, each measured."""
    folder = source.with_suffix("")
    init = ["init", "large", "--from", str(source), "--target", "y"]
    return {words[0]: measure([*words, "--dir", str(folder)]) for words in (init, ["run", "--budget", BUDGET])}


def measure(words: list[str]) -> dict[str, Any]:
    """One command: its exit code, seconds, the most memory it held in GB, and its longest silence in seconds."""
    began = spoke = time.monotonic()
    silence = 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "flyball", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        silence, spoke = max(silence, time.monotonic() - spoke), time.monotonic()
        if re.match(r"\w+ +[\d.]+ s ", line):
            print(f"{words[0]:<5} {line.rstrip()}", flush=True)
    code = process.wait()
    seconds = time.monotonic() - began
    gigabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # the most of any child so far
    silence = max(silence, time.monotonic() - spoke)
    print(
        f"{words[0]:<5} {seconds:6.1f} s in all, {gigabytes:.2f} GB, longest silence {silence:.1f} s, exit code {code}"
    )
    return {"code": code, "seconds": seconds, "gigabytes": gigabytes, "longest_silence_s": silence}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
