"""Documents of a made-up project, as the control plane sends them: every task, every oddity that the page must bear."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def interval(value: float, width: float) -> dict[str, float]:
    return {"value": value, "low": value - width / 2, "high": value + width / 2}


def machines() -> dict[str, Any]:
    """Two classes, rare positives, leaks found, several versions; the newest is refused by production."""
    versions = [machines_version(number) for number in (4, 3, 2, 1)]
    history = [
        entry(32 - at, what, subject, why, actor)
        for at, (what, subject, why, actor) in enumerate(
            [
                ("gate.refused", "machines@4", "calibration_error <= 0.03 is not met", "user:ada"),
                ("version.registered", "machines@4", "wider search", "user:ada"),
                ("look.overruled", "machines", "the plant vouches for it", "user:ada"),
                ("alias.moved", "machines/production", "quarterly refresh", "user:grace"),
                ("gate.passed", "machines@3", "production", "user:grace"),
                ("version.registered", "machines@3", "new wear sensor", "user:ada"),
                ("alias.moved", "machines/production", "first version in service", "user:grace"),
                ("version.registered", "machines@2", "without the failure flags", "user:ada"),
                ("version.registered", "machines@1", "first version", "user:ada"),
                ("dataset.recorded", "machines", "", "user:ada"),
                ("key.created", "project", "", "system:flyball"),
                ("project.created", "paper-mill", "", "system:flyball"),
            ]
        )
    ]
    return {
        "name": "machines",
        "task": "binary",
        "target": "Machine failure",
        "metric": "average_precision",
        "versions": versions,
        "aliases": [
            {"alias": "production", "number": 3, "since": "2026-11-12T14:03:00Z"},
            {"alias": "champion", "number": 3, "since": "2026-11-12T14:05:00Z"},
        ],
        "history": history,
    }


def machines_version(number: int) -> dict[str, Any]:
    score = {1: 0.706, 2: 0.741, 3: 0.842, 4: 0.851}[number]
    error = 0.041 if number == 4 else 0.012
    gate = {
        "gate": "production",
        "passed": number != 4,
        "results": [
            rule("average_precision >= 0.60", f"{score:.3f} [{score - 0.05:.3f}, {score + 0.05:.3f}]", "0.60", 31),
            rule(
                "calibration_error <= 0.03",
                f"{error:.3f} [{error - 0.008:.3f}, {error + 0.008:.3f}]",
                "0.03: the mean gap has to shrink by 0.011",
                32,
                passes=number != 4,
            ),
            rule("beats_baseline", "+0.808 over the base rate", "any gain", 33),
        ],
    }
    return {
        "number": number,
        "created": f"2026-11-{9 + number:02d}T13:48:20Z",
        "actor": "user:ada",
        "reason": {1: "first version", 2: "without the failure flags", 3: "new wear sensor", 4: "wider search"}[number],
        "evidence": machines_evidence(score, error),
        "gates": [gate],
        "bundle": bundle("machines", number),
    }


def rule(text: str, measured: str, passes_at: str, line: int, *, passes: bool = True) -> dict[str, Any]:
    where = f"flyball.toml:{line}, gate.production.{text.split(' ', maxsplit=1)[0]}"
    return {"rule": text, "measured": measured, "passes": passes, "passes_at": passes_at, "where": where}


def bundle(model: str, number: int) -> dict[str, Any]:
    return {
        "path": f".flyball/bundles/{model}/{number}",
        "content_hash": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
        "size_bytes": 1_843_200 + number,
        "signed_by": "4ca7b0e2f6b1d1c1a2f09e7745c1d9d6bb0f8b2d",
    }


def entry(seq: int, what: str, subject: str, why: str, actor: str) -> dict[str, Any]:
    clock = f"2026-11-{max(1, min(23, seq - 8)):02d}T14:{seq:02d}:11Z"
    return {
        "seq": seq, "time": clock, "what": what, "subject": subject, "why": why, "actor": actor, "hash": f"{seq:02x}" * 32,
    }  # fmt: skip


def machines_evidence(score: float, error: float) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    predicted = np.array([0.001, 0.002, 0.004, 0.006, 0.011, 0.019, 0.042, 0.12, 0.37, 0.81])
    observed = np.clip(predicted + rng.normal(0, 0.02, 10), 0, 1)
    grid = np.linspace(0, 1, 60)
    test = {
        "roc_auc": interval(0.981, 0.012), "average_precision": interval(score, 0.1), "log_loss": interval(0.056, 0.018),
        "brier": interval(0.0132, 0.004), "accuracy": interval(0.983, 0.009), "balanced_accuracy": interval(0.861, 0.06),
        "f1": interval(0.782, 0.08), "precision": interval(0.84, 0.11), "recall": interval(0.731, 0.12),
        "calibration_error": interval(error, 0.016),
    }  # fmt: skip
    return {
        **evidence_frame("binary", "Machine failure", "average_precision", 10_000, test),
        "classes": ["0", "1"], "positive_class": "1",
        "random_gap": None,
        "leaks": [
            {"column": name, "why": f"{name} = 1 only in rows that failed ({count} of 339)", "action": "leave out"}
            for name, count in (("TWF", 46), ("HDF", 115), ("PWF", 95), ("OSF", 98))
        ],
        "findings": [
            {"kind": "identifier", "column": name, "what": "", "why": "10,000 values in 10,000 rows", "action": "leave out"}
            for name in ("UDI", "Product ID")
        ],
        "calibration": {
            "bins": [
                {"predicted": p, "observed": o, "low": max(0, o - 0.04), "high": min(1, o + 0.05), "rows": 200}
                for p, o in zip(predicted.tolist(), observed.tolist(), strict=True)
            ]
        },
        "curves": {
            "roc": [[x, float(x**0.08)] for x in grid.tolist()],
            "pr": [[x, float(1 - 0.55 * x**7)] for x in grid.tolist()],
        },
        "confusion": {"classes": ["0", "1"], "counts": [[1919, 13], [18, 50]]}, "threshold": 0.31,
        "examples": [
            example("1", 0.971, "1", (("Torque [Nm]", 61.2, 2.914), ("Tool wear [min]", 221, 2.02), ("Type", "L", -0.11))),
            example("0", 0.012, "0", (("Rotational speed [rpm]", 1408, 0.31), ("Torque [Nm]", 46.3, -0.22), ("Type", None, 0.0))),
            example("0", 0.0004, "0", (("Torque [Nm]", 28.4, -1.31), ("Air temperature [K]", 298.1, -0.8), ("Type", "H", -0.2))),
        ],
        "importance": [
            {"column": name, **interval(value, value * 0.16)}
            for name, value in (
                ("Torque [Nm]", 1.412), ("Rotational speed [rpm]", 1.105), ("Tool wear [min]", 0.873),
                ("Air temperature [K]", 0.641), ("Process temperature [K]", 0.218), ("Type", 0.094),
            )
        ],
        "effects": [
            effect("Torque [Nm]", ["3.8 to 22", "22 to 30", "30 to 41", "41 to 47", "47 to 55", "55 to 77"], -0.9, 3.1),
            effect("Rotational speed [rpm]", ["1168 to 1350", "1350 to 1550", "1550 to 1700", "1700 to 2886"], 1.8, -0.7),
            effect("Tool wear [min]", ["0 to 50", "50 to 100", "100 to 150", "150 to 200", "200 to 253"], -0.6, 2.4),
            effect("Type", ["H", "L", "M"], -0.2, 0.1),
        ],
    }  # fmt: skip


def example(
    prediction: str, probability: float, truth: str, reasons: tuple[tuple[str, Any, float], ...]
) -> dict[str, Any]:
    listed = [{"column": column, "value": value, "contribution": part} for column, value, part in reasons]
    filler = [{"column": f"c{at}", "value": at, "contribution": 0.01 * at} for at in range(7)]
    chance = {prediction: probability if prediction == "1" else 1 - probability}
    return {"base": -4.1, "prediction": prediction, "probability": chance, "target": truth, "reasons": listed + filler}


def effect(column: str, labels: list[str], first: float, last: float) -> dict[str, Any]:
    values = np.linspace(0, 1, len(labels)) ** 2 * (last - first) + first
    bins = [{"label": label, "value": float(value), "rows": 1400} for label, value in zip(labels, values, strict=True)]
    return {"column": column, "bins": bins}


def evidence_frame(task: str, target: str, metric: str, rows: int, test: dict[str, Any]) -> dict[str, Any]:
    cv = {name: interval(one["value"] * 0.985, one["high"] - one["low"]) for name, one in test.items()}
    guess = {"roc_auc": 0.5, "average_precision": 0.034, "log_loss": 0.149, "brier": 0.0328, "accuracy": 0.966,
             "balanced_accuracy": 0.5, "f1": 0.0, "precision": 0.0, "recall": 0.0, "calibration_error": 0.001,
             "rmse": 115_400.0, "mae": 91_200.0, "r2": -0.0004, "median_absolute_error": 77_000.0,
             "interval_coverage": 0.9, "macro_f1": 0.003}  # fmt: skip
    return {
        "model": target, "task": task, "target": target, "metric": metric, "classes": None, "positive_class": None,
        "data": {
            "dataset": "machines", "version": "5f7c03f0b1d24df08e1c", "rows": rows, "columns": 13,
            "used": ["a", "b", "c", "d", "e", "f"], "left_out": [{"column": "UDI", "why": "identifier"}], "personal": [],
        },
        "split": {
            "kind": "random", "by": None, "confidence": 0.97, "why": "no time, group or order that explains the rows",
            "train_rows": int(rows * 0.8), "test_rows": int(rows * 0.2),
        },
        "metrics": {"cv": cv, "test": test, "baseline": {name: interval(guess[name], 0.0) for name in test}},
        "random_gap": None, "leaks": [], "findings": [], "calibration": None, "curves": None, "residuals": None,
        "importance": [], "effects": [], "examples": [], "leaderboard": [],
        "parity": {"rows": 4_210, "max_abs_diff": 3.1e-7, "cases": {}},
        "latency": {"single_row_ms": 0.184, "graph_ms": 0.061}, "size_bytes": 1_843_200,
        "budget": {"seconds": 60, "used_seconds": 52.4}, "environment": {},
        "code": {"git_commit": "0d9f1b3c55aa62b1", "files": {}}, "seed": 0, "created": "2026-11-12T13:48:20Z",
    }  # fmt: skip


def prices() -> dict[str, Any]:
    """Regression, split in time, values that are missing (NaN), one version and no gate."""
    rng = np.random.default_rng(3)
    test = {
        "rmse": interval(46_812.0, 2_900.0), "mae": interval(30_410.0, 1_300.0), "r2": interval(0.836, 0.02),
        "median_absolute_error": interval(19_201.0, 900.0), "interval_coverage": interval(0.894, 0.02),
    }  # fmt: skip
    edges = np.linspace(-120_000, 120_000, 25)
    counts = (900 * np.exp(-((edges[:-1] / 40_000) ** 2))).astype(int)
    evidence = evidence_frame("regression", "median_house_value", "rmse", 20_640, test)
    evidence |= {
        "split": {
            "kind": "time", "by": "sold_at", "confidence": 1.0, "train_rows": 16_512, "test_rows": 4_128,
            "why": "rows are ordered by sold_at; prices of neighbours in time are alike",
        },
        "random_gap": {"metric": "rmse", "random": 41_900.0, "honest": 46_812.0, **interval(-4_912.0, 1_200.0)},
        "shift": {
            "auc": interval(0.714, 0.02), "p": 0.0004, "demonstrated": True,
            "columns": [{"column": "median_income", "share": 0.46}, {"column": "latitude", "share": 0.2}],
        },
        "residuals": {
            "bins": [
                {"low": float(low), "high": float(high), "rows": int(count)}
                for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
            ],
            "by_prediction": [
                {"predicted": p, "observed": p + float(rng.normal(0, 4_000)), "low": p * 0.7, "high": p * 1.35, "rows": 412}
                for p in np.linspace(70_000, 460_000, 10).tolist()
            ],
        },
        "importance": [{"column": f"column_{at:02d}", **interval(40_000 / at, 3_000 / at)} for at in range(1, 17)],
        "effects": [effect("column_02", [str(at) for at in range(8)], -30_000, 52_000)],
        "latency": {"single_row_ms": math.nan, "graph_ms": math.nan},
    }  # fmt: skip
    version = {
        "number": 1, "created": "2026-11-20T09:12:00Z", "actor": "user:ada", "reason": "first version",
        "evidence": evidence, "gates": [], "bundle": {**bundle("prices", 1), "signed_by": None},
    }  # fmt: skip
    return {
        "name": "prices", "task": "regression", "target": "median_house_value", "metric": "rmse",
        "versions": [version], "aliases": [],
        "history": [entry(40, "version.registered", "prices@1", "first version", "user:ada")],
    }  # fmt: skip


LONG = "a_column_whose_name_somebody_generated_from_a_path_and_that_never_ends_and_has_no_space"


def letters() -> dict[str, Any]:
    """Several classes, hostile names, and many versions."""
    test = {
        "log_loss": interval(0.131, 0.014), "accuracy": interval(0.962, 0.006), "balanced_accuracy": interval(0.962, 0.006),
        "macro_f1": interval(0.961, 0.006), "roc_auc": interval(0.999, 0.001), "an_unknown_measure": interval(3.2, 0.4),
    }  # fmt: skip
    evidence = evidence_frame("multiclass", "lettr", "log_loss", 20_000, {name: test[name] for name in list(test)[:-1]})
    evidence["metrics"]["test"] = test
    evidence |= {
        "classes": [chr(65 + at) for at in range(26)],
        "confusion": {
            "classes": [chr(65 + at) for at in range(26)],
            "counts": [[140 if at == to else (at * 7 + to * 13) % 101 // 95 * (at + 1) for to in range(26)] for at in range(26)],
        },
        "split": {
            "kind": "group", "by": "writer", "confidence": 0.88, "why": "rows of one writer are alike",
            "train_rows": 16_000, "test_rows": 4_000,
        },
        "importance": [
            {"column": name, **interval(value, value * 0.2)}
            for name, value in ((LONG, 0.91), ("<img src=x onerror=alert(1)>", 0.62), ("x-box", 0.4))
        ],
        "effects": [effect(LONG, [LONG, "<b>b</b>", "(missing)"], -0.4, 0.9)],
        "findings": [
            {"kind": "personal data", "column": "writer", "what": "", "why": "looks like people's names", "action": "mark"}
        ],
        "data": {**evidence["data"], "personal": ["writer"]},
    }  # fmt: skip

    def nightly(number: int) -> dict[str, Any]:
        measured = {**test, "log_loss": interval(0.131 + 0.3 / number, 0.02)}
        return {**evidence, "metrics": {**evidence["metrics"], "test": measured}}

    versions = [
        {
            "number": number, "created": "2026-11-20T09:12:00Z", "actor": "ci:main", "reason": "nightly " + "x" * number,
            "evidence": nightly(number),
            "gates": [], "bundle": bundle("letters", number),
        }
        for number in range(24, 0, -1)
    ]  # fmt: skip
    return {
        "name": "letters", "task": "multiclass", "target": "lettr", "metric": "log_loss", "versions": versions,
        "aliases": [{"alias": "production", "number": 20, "since": "2026-11-21T10:00:00Z"}], "history": [],
    }  # fmt: skip
