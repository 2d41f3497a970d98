"""What the benchmark of the tracking server promises, and how its figures become ratios."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks._tracking_client import family

__all__ = ["PEERS", "TARGETS", "memory", "verdict"]

PEERS = ("mlflow", "mlflow, one worker")
# At most this share of the peer's figure.
TARGETS = {
    "mlflow": {
        "log_metric p50_ms": 1 / 15, "create_run p50_ms": 1 / 15, "log_metric cpu_ms": 1 / 10, "create_run cpu_ms": 1 / 10,
        "log_batch_1000 p50_ms": 1 / 5, "search_filtered p50_ms": 1 / 8, "page_of_1000 p50_ms": 1 / 4, "start_s": 1 / 15,
        "page_by_column p50_ms": 1 / 20,
    },
    "mlflow, one worker": {"log_metric cpu_ms": 1 / 10, "create_run cpu_ms": 1 / 10},
}  # fmt: skip
MOST_PROCESSES, MOST_MB = 2, 150
MOST_STALLED = (
    0.02  # of the calls over a connection that stays open; another process may take the processor now and then
)
# What only our client can do is held against what the peer's does instead.
INSTEAD = {"page_by_column": "page_of_1000", "keep_alive_of_two": "keep_alive"}


def verdict(found: dict[str, dict[str, Any]]) -> tuple[dict[str, dict[str, float]], bool]:
    """Ratios of our figures to each peer's, and whether every target is met."""
    ours = flat(found["flyball"])
    ratios = {peer: _ratios(ours, flat(found[peer])) for peer in PEERS}
    calls = found["flyball"]["calls"]
    stalled = max(calls[name]["stalled"] for name in ("keep_alive", "keep_alive_of_two"))
    met = found["flyball"]["processes"] <= MOST_PROCESSES and found["flyball"]["idle_mb"] <= MOST_MB
    met = met and stalled <= MOST_STALLED
    met = met and all(ratios[peer][name] <= most for peer in TARGETS for name, most in TARGETS[peer].items())
    return ratios, met


def _ratios(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    found = {}
    for name, value in ours.items():
        call, _, unit = name.partition(" ")
        other = theirs.get(f"{INSTEAD.get(call, call)} {unit}".strip(), 0.0)
        if other:
            found[name] = value / other
    return found


def flat(figures: dict[str, Any]) -> dict[str, float]:
    """Every figure by one name."""
    calls = {f"{call} {unit}": value for call, both in figures["calls"].items() for unit, value in both.items()}
    return {**{name: figures[name] for name in ("first_start_s", "start_s", "processes", "idle_mb")}, **calls}


def memory(root: int) -> tuple[int, float]:
    """How many processes a server is, and the memory that is theirs (PSS, megabytes)."""
    total, members = 0, family(root)
    for pid in members:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)[0])
    return len(members), total / 1024
