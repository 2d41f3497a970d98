"""How long it takes to begin: `import flyball` and `flyball --help`, against `import sklearn` in the same run.

The commands run in turn, several rounds, as whole processes; the figure is the median of the paired ratios. Targets:
`import flyball` at most 0.1 of `import sklearn`, `flyball --help` at most 0.25 of it. A process that does nothing is
measured too and taken off both sides of the import ratio, since Python's own start is nobody's merit.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

ROUNDS = 11
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import sklearn": [sys.executable, "-c", "import sklearn"],
    "import flyball": [sys.executable, "-c", "import flyball"],
    "flyball --help": [sys.executable, "-m", "flyball", "--help"],
}
TARGETS = {"import flyball": 0.1, "flyball --help": 0.25}


def main() -> dict[str, Any]:
    """Medians in seconds, ratios to `import sklearn`, and whether the targets were met."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():  # once, so that every file is in the page cache and compiled
        subprocess.run(command, check=True, capture_output=True)
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    bare, peer = seconds["python"], seconds["import sklearn"]
    ratios = {
        name: statistics.median(
            (mine - nothing) / (theirs - nothing)
            for mine, theirs, nothing in zip(seconds[name], peer, bare, strict=True)
        )
        for name in TARGETS
    }
    whole = {name: statistics.median(a / b for a, b in zip(seconds[name], peer, strict=True)) for name in TARGETS}
    for name in COMMANDS:
        print(f"{name:<16} {statistics.median(seconds[name]) * 1000:8.0f} ms")
    for name, target in TARGETS.items():
        print(
            f"{name:<16} {ratios[name]:.3f} of import sklearn ({whole[name]:.3f} with Python's start), target {target}"
        )
    met = all(ratios[name] <= target for name, target in TARGETS.items())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {"median_s": medians, "ratio": ratios, "ratio_whole_process": whole, "targets": TARGETS, "met": met}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
