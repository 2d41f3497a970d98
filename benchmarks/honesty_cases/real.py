"""Real tables through the command line as a newcomer would: `flyball init`, `flyball run --budget 60s`, nothing set."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._tables import TABLES, write_parquet

__all__ = ["CASES", "Case", "Claim", "run_case"]

BUDGET = "60s"
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the table: what must be so, and how it is read from `run --json`: (what was seen, whether it holds)."""

    text: str
    read: Callable[[Document], tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Case:
    """A table of `TABLES`, by its name, and what must come out."""

    name: str
    claims: Sequence[Claim]


def at_least(metric: str, bound: float) -> Claim:
    def read(document: Document) -> tuple[str, bool]:
        found = document["metrics"]["test"][metric]
        return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]", found["value"] >= bound

    return Claim(f"{metric} >= {bound:g}", read)


def split_by(kind: str, by: str | None = None) -> Claim:
    def read(document: Document) -> tuple[str, bool]:
        split = document["split"]
        seen = split["kind"] + (f" ({split['by']})" if split["by"] else "")
        return seen, split["kind"] == kind and by in (None, split["by"])

    return Claim(f"split by {kind}" + (f" ({by})" if by else ""), read)


def not_by_time() -> Claim:
    return Claim("not in time order", lambda document: (document["split"]["kind"], document["split"]["kind"] != "time"))


def named(column: str) -> Claim:
    def read(document: Document) -> tuple[str, bool]:
        found = [leak for leak in document["leaks"] if leak["column"] == column]
        return (f"{found[0]['action']}: {found[0]['why']}" if found else "not named"), bool(found)

    return Claim(f"{column} named as a leak", read)


def only(*columns: str) -> Claim:
    def read(document: Document) -> tuple[str, bool]:
        others = sorted({leak["column"] for leak in document["leaks"]} - set(columns))
        return ", ".join(others) or "none", not others

    return Claim("no other column named as a leak", read)


CASES = (
    Case("adult", [at_least("roc_auc", 0.925), split_by("random"), only()]),
    Case("california", [at_least("r2", 0.83), not_by_time(), only()]),
    Case("letter", [at_least("balanced_accuracy", 0.96), only()]),
    Case("bank", [split_by("time"), named("duration"), only("duration")]),
    Case("elec2", [split_by("time"), only()]),
    Case("credit", [not_by_time(), only()]),
    Case("metro", [split_by("time"), at_least("r2", 0.90), only()]),
    Case("bike", [named("casual"), named("registered"), only("casual", "registered")]),
    Case("ai4i", [*(named(flag) for flag in ("TWF", "HDF", "PWF", "OSF")), only("TWF", "HDF", "PWF", "OSF")]),
    Case("cmapss1", [split_by("group", "unit"), only()]),
    Case("cmapss3", [split_by("group", "unit"), only()]),
)


def run_case(case: Case, budget: str = BUDGET) -> dict[str, Any]:
    """One table through `init` and `run` in a folder of its own. Every claim as (text, seen, holds)."""
    with tempfile.TemporaryDirectory(prefix="flyball-honesty-") as place:
        folder = Path(place)
        source = folder / f"{case.name}.parquet"
        write_parquet(TABLES[case.name].query, source)
        project = folder / "project"
        began = time.perf_counter()
        first = _flyball(
            "init", "model", "--from", str(source), "--target", TABLES[case.name].target, "--dir", str(project)
        )
        looked = time.perf_counter() - began
        document = _flyball("run", "--budget", budget, "--dir", str(project))
        seconds = time.perf_counter() - began - looked
    claims = []
    for claim in case.claims:
        seen, holds = claim.read(document)
        claims.append({"claim": claim.text, "seen": seen, "holds": holds})
    return {
        "table": case.name,
        "rows": first["rows"],
        "init_seconds": round(looked, 1),
        "run_seconds": round(seconds, 1),
        "claims": claims,
        "split": document["split"],
        "random_gap": document["random_gap"],
        "metrics": document["metrics"]["test"],
        "leaks": document["leaks"],
        "left_out": document["left_out"],
        "noticed": first["notes"],
    }


def _flyball(*arguments: str) -> dict[str, Any]:
    """A command's JSON answer. Raises RuntimeError with what it said when it failed."""
    command = [sys.executable, "-m", "flyball", *arguments, "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"flyball {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
