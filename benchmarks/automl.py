"""Is the search as accurate as the best peer at the same budget, within its time, small and fast?

Every system gets the same rows of the same split, 2 cores and 60 s, in an environment of its own. A cell is a table and
a split; its scores are normalised (LightGBM's defaults 0, the best of all 1). Where nobody beats the defaults there is
no scale, a thousandth of the score then counts as one; the differences are therefore shown cut at -1 too, but judged as
they are. Cells are kept in `build/automl/results.jsonl`, so that the benchmark, which takes hours, can be stopped and
goes on where it was.

    python -m benchmarks automl
    FLYBALL_BENCH_ONLY=adult,letter FLYBALL_BENCH_SPLITS=1 python -m benchmarks automl
    FLYBALL_BENCH_SYSTEMS="flyball,lightgbm default" python -m benchmarks automl
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks._peers import peer_python
from benchmarks._tables import write_parquet

BUDGET_S = float(os.environ.get("FLYBALL_BENCH_BUDGET", "60"))
SPLITS = int(os.environ.get("FLYBALL_BENCH_SPLITS", "3"))
KEPT = Path(__file__).parents[1] / "build" / "automl" / "results.jsonl"
BASE, OWN = "lightgbm default", "flyball"
COMMON = ("pandas>=2.2", "pyarrow", "numpy")
PEERS: Mapping[str, Sequence[str]] = {
    "lightgbm default": ("lightgbm", "scikit-learn", *COMMON),
    "flaml": ("flaml[automl]", "xgboost-cpu", *COMMON),
    "autogluon medium": ("autogluon.tabular", "lightgbm", "xgboost-cpu", "catboost", *COMMON),
    "autogluon good": ("autogluon.tabular", "lightgbm", "xgboost-cpu", "catboost", *COMMON),
}
TARGETS = {"worst": -0.01, "row_ms": 0.2, "size_mb": 10.0}


@dataclass(frozen=True)
class Set:
    """A table; `rows` says what its test rows are: drawn, the later ones, or whole groups of a column."""

    name: str
    query: str
    target: str
    task: Literal["binary", "multiclass", "regression"]
    drop: tuple[str, ...] = ()
    rows: str = "drawn"


def _engines(name: str, file: str) -> Set:
    life = "least(125, max(cycle) over (partition by unit) - cycle)::double as rul"
    return Set(name, f"select *, {life} from '{{data}}/cmapss/{file}.parquet'", "rul", "regression", rows="unit")


def _file(name: str) -> str:
    return f"select * from '{{data}}/{name}.parquet'"


SETS = (
    Set("adult", _file("adult_train"), "income", "binary"),
    Set("ai4i", _file("ai4i2020"), "Machine failure", "binary", drop=("TWF", "HDF", "PWF", "OSF", "RNF")),
    Set("bank", _file("bank_marketing"), "y", "binary", drop=("duration",), rows="later"),
    Set("credit", _file("south_german_credit"), "credit_risk", "binary"),
    Set("elec2", _file("elec2"), "class", "binary", rows="later"),
    Set("covertype", _file("covertype_subset"), "class", "multiclass"),
    Set("letter", _file("letter_recognition"), "lettr", "multiclass"),
    Set("california", _file("california_housing"), "median_house_value", "regression"),
    Set("bike", _file("bike_sharing_hour"), "cnt", "regression", drop=("casual", "registered"), rows="later"),
    Set("metro", _file("metro_traffic"), "traffic_volume", "regression", rows="later"),
    _engines("cmapss1", "train_FD001"),
    _engines("cmapss3", "train_FD003"),
)


def parts(one: Set, split: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Training and test rows, the target as "__y"; in time the tests of the splits are different stretches."""
    with tempfile.TemporaryDirectory() as scratch:
        write_parquet(one.query, Path(scratch) / "table.parquet")
        table = pl.read_parquet(Path(scratch) / "table.parquet")
    table = table.drop_nulls(one.target).drop(one.drop).rename({one.target: "__y"})
    rows = len(table)
    if one.rows == "later":
        end = rows - split * rows // 10
        return table[: end - rows // 5], table[end - rows // 5 : end]
    if one.rows != "drawn":
        groups = np.sort(table[one.rows].unique().to_numpy())
        np.random.default_rng(split).shuffle(groups)
        held = table[one.rows].is_in(groups[: max(1, len(groups) // 5)].tolist())
        return table.filter(~held), table.filter(held)
    strata = None if one.task == "regression" else table["__y"].to_numpy()
    train, test = train_test_split(np.arange(rows), test_size=0.2, random_state=split, stratify=strata)
    return table[np.sort(train)], table[np.sort(test)]


def cell(one: Set, split: int, system: str) -> dict[str, Any]:
    """One system on one cell, in a process of its own."""
    train, test = parts(one, split)
    python = Path(sys.executable) if system == OWN else peer_python(system.split(maxsplit=1)[0], PEERS[system])
    with tempfile.TemporaryDirectory(prefix="flyball-automl-") as scratch:
        folder = Path(scratch)
        train.write_parquet(folder / "train.parquet")
        test.drop("__y").write_parquet(folder / "test.parquet")
        (folder / "task.txt").write_text(one.task)
        script = Path(__file__).with_name("_automl_system.py")
        ended = subprocess.run(
            [python, script, system, folder, str(BUDGET_S)], check=False, capture_output=True, text=True
        )
        found = {"system": system, "set": one.name, "split": split, "budget_s": BUDGET_S, "train_rows": len(train)}
        if ended.returncode:
            return {**found, "error": ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else "no word"}
        answer = np.load(folder / "answer.npz")["answer"]
        measured = json.loads(ended.stdout.splitlines()[-1])
    return {
        **found,
        **measured,
        "score": scored(one.task, test["__y"].to_numpy(), answer, np.unique(train["__y"].to_numpy())),
    }


def scored(task: str, truth: NDArray[Any], answer: NDArray[np.float64], classes: NDArray[Any]) -> float:
    """Higher is better: ROC AUC, minus log loss, minus root mean squared error."""
    if task == "regression":
        return -float(np.sqrt(np.mean((truth - answer) ** 2)))
    if task == "binary":
        return float(roc_auc_score(truth == classes[1], answer[:, 1]))
    return -float(log_loss(truth, answer, labels=classes))


def normalised(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, float]]:
    """Scores of each complete cell; a system that failed is as good as LightGBM's defaults less one."""
    cells: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        cells.setdefault((row["set"], row["split"]), {})[row["system"]] = row.get("score", np.nan)
    found = {}
    for key, scores in cells.items():
        if len(scores) < 2 or BASE not in scores:
            continue
        low, high = scores[BASE], np.nanmax(list(scores.values()))
        spread = max(
            high - low, 1e-3 * abs(low)
        )  # where nobody is better than the defaults, a thousandth counts as one
        found[key] = {
            name: float((score - low) / spread) if np.isfinite(score) else -1.0 for name, score in scores.items()
        }
    return found


def paired(cells: Mapping[tuple[str, int], Mapping[str, float]], peer: str) -> tuple[float, float, int]:
    """Mean of Flyball less a peer over the cells of both, the lower 95 % bound (whole tables resampled), and the cells."""
    gaps: dict[str, list[float]] = {}
    for (name, _), scores in cells.items():
        if OWN in scores and peer in scores:
            gaps.setdefault(name, []).append(scores[OWN] - scores[peer])
    tables = [np.mean(values) for values in gaps.values()]
    if not tables:
        return float("nan"), float("nan"), 0
    drawn = np.random.default_rng(0).choice(tables, (10_000, len(tables))).mean(axis=1)
    return float(np.mean(tables)), float(np.quantile(drawn, 0.05)), sum(map(len, gaps.values()))


def main() -> dict[str, Any]:
    """Run the cells that are missing, then the table over all."""
    only = [name for name in os.environ.get("FLYBALL_BENCH_ONLY", "").split(",") if name]
    systems = [name for name in os.environ.get("FLYBALL_BENCH_SYSTEMS", "").split(",") if name] or [
        BASE,
        OWN,
        *list(PEERS)[1:],
    ]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in KEPT.read_text("utf-8").splitlines()] if KEPT.exists() else []
    done = {(row["system"], row["set"], row["split"]) for row in rows if row["budget_s"] == BUDGET_S}
    for one in SETS:
        for split in range(SPLITS):
            for system in systems:
                if (only and one.name not in only) or (system, one.name, split) in done:
                    continue
                row = cell(one, split, system)
                rows.append(row)
                with KEPT.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(_line(row), flush=True)
    return report([row for row in rows if row["budget_s"] == BUDGET_S])


def _line(row: Mapping[str, Any]) -> str:
    head = f"{row['set']:<11} {row['split']}  {row['system']:<17}"
    if "error" in row:
        return f"{head} failed: {row['error'][:90]}"
    return (
        f"{head} {row['score']:>12.5g}  fit {row['fit_s']:>6.1f} s  row {row['row_ms']:>8.3f} ms  {row['size_mb']:>8.2f} MB  "
        f"peak {row['peak_mb']:>5} MB"
    )


def report(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Normalised means, paired differences, every loss on a single table, and the limits."""
    cells = normalised(rows)
    names = sorted({name for scores in cells.values() for name in scores})
    print(f"\n{len(cells)} cells; normalised: {BASE} 0, the best of a cell 1")
    versions = {row["system"]: row["version"] for row in rows if "version" in row}
    for name in names:
        scores = [scores[name] for scores in cells.values() if name in scores]
        print(f"{name:<17} {versions.get(name, ''):<10} mean {np.mean(scores):+.3f} over {len(scores)} cells")
    against = {peer: paired(cells, peer) for peer in names if peer not in (OWN, BASE)}
    for peer, (mean, low, count) in against.items():
        print(f"{OWN} less {peer:<17} {mean:+.3f}, at least {low:+.3f} at 95 %, {count} cells")
    cut = {key: {name: max(-1.0, score) for name, score in scores.items()} for key, scores in cells.items()}
    for peer in against:
        mean, low, count = paired(cut, peer)
        print(f"  cut at -1: {OWN} less {peer:<17} {mean:+.3f}, at least {low:+.3f} at 95 %, {count} cells")
    for (name, split), scores in sorted(cells.items()):
        best = max((scores[peer], peer) for peer in scores if peer != OWN)
        if OWN in scores and scores[OWN] < best[0]:
            print(f"  behind on {name} {split}: {scores[OWN]:+.3f} against {best[0]:+.3f} of {best[1]}")
    own = [row for row in rows if row["system"] == OWN and "score" in row]
    limits = {
        "late": [f"{row['set']} {row['split']}" for row in own if row["fit_s"] > row["budget_s"]],
        "slow": [f"{row['set']} {row['split']}" for row in own if row["graph_row_ms"] > TARGETS["row_ms"]],
        "large": [f"{row['set']} {row['split']}" for row in own if row["size_mb"] > TARGETS["size_mb"]],
    }
    print(f"{OWN}: beyond the budget {limits['late'] or 'never'}; a row above 0.2 ms {limits['slow'] or 'never'}; "
          f"above 10 MB {limits['large'] or 'never'}")  # fmt: skip
    met = bool(against) and all(low >= TARGETS["worst"] for _, low, _ in against.values()) and not any(limits.values())
    return {"rows": list(rows), "against": against, "limits": limits, "met": met}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
