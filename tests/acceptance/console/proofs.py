"""Parts of the evidence that newer versions carry: segments, comparisons, threshold, coverage, overrules; with oddities."""

from __future__ import annotations

from typing import Any

import numpy as np

LONG = "a_column_whose_name_somebody_generated_from_a_path_and_that_never_ends_and_has_no_space"


def interval(value: float, width: float) -> dict[str, float]:
    return {"value": value, "low": value - width / 2, "high": value + width / 2}


def segment(text: str, rows: int, excess: float, metric: dict[str, float] | None) -> dict[str, Any]:
    return {
        "text": text,
        "conditions": [],
        "rows": rows,
        "share": rows / 2000,
        "excess": interval(excess, excess),
        "p_value": 0.002,
        "metric": metric,
    }


def weak_segments(metric: str, overall: dict[str, float]) -> dict[str, Any]:
    """Found by search, hard ones, and the levels of a column; one leaves the metric undefined."""
    value = overall["value"]
    return {
        "metric": metric,
        "overall": overall,
        "loss": {"name": "log loss", "overall": 0.056},
        "status": "found",
        "why": "812 segments searched",
        "rate": {"value": 0.05, "meaning": "at most 5% of searches name one"},
        "searched": {"segments": 812, "columns": ["Type", "Torque [Nm]"], "rows": 2000, "units": 2000, "unit": "row"},
        "findable": 0.0971,
        "found": [segment("Tool wear [min] above 200 and Type is L", 212, 0.31, interval(value - 0.2, 0.15))],
        "hard": [segment("Torque [Nm] above 61.2", 199, 0.18, None)],
        "named": [
            {
                "column": "Type",
                "metric": metric,
                "levels": [
                    {"text": f"Type is {name}", "condition": {}, "rows": rows, "metric": measured}
                    for name, rows, measured in (
                        ("H", 12, None),
                        ("L", 1200, interval(value - 0.02, 0.1)),
                        ("M", 788, interval(value + 0.03, 0.12)),
                    )
                ],
            }
        ],
        "skipped": {"personal": ["operator"], "leaks": ["TWF", "HDF"]},
    }


def no_segments(metric: str, overall: dict[str, float], *, loss: str, findable: float) -> dict[str, Any]:
    return {
        **weak_segments(metric, overall),
        "status": "none found",
        "found": [],
        "hard": [],
        "named": [],
        "loss": {"name": loss, "overall": 1.0},
        "findable": findable,
        "skipped": {"personal": [], "leaks": []},
    }


def too_few_for_segments(metric: str) -> dict[str, Any]:
    return {
        **weak_segments(metric, interval(0.1, 0.1)),
        "overall": None,
        "status": "not enough data",
        "why": "48 rows in 48 independent units; 100 rows in 20 units are needed",
        "found": [],
        "hard": [],
        "named": [],
        "findable": None,
        "searched": {"segments": 0, "columns": [], "rows": 48, "units": 48, "unit": "row"},
    }


def pair(ours: float, theirs: float, width: float, outcome: str) -> dict[str, Any]:
    return {
        "ours": ours,
        "theirs": theirs,
        "difference": interval(ours - theirs, width),
        "p_value": 0.03,
        "outcome": outcome,
    }


PAIRS = {
    "average_precision": pair(0.851, 0.842, 0.06, "no clear difference"),
    "roc_auc": pair(0.981, 0.974, 0.006, "better"),
    "log_loss": pair(0.056, 0.051, 0.004, "worse"),
    "recall": pair(0.731, 0.731, 0.0, "no clear difference"),
    "calibration_error": {
        **pair(0.041, 0.012, 0.02, "not enough data"),
        "difference": {"value": 0.029, "low": None, "high": None},
    },
}


def champion(**changes: Any) -> dict[str, Any]:
    return {
        "with": "machines@3",
        "alias": "production",
        "version": 3,
        "comparable": True,
        "reason": None,
        "fair": True,
        "caution": "machines@3 learned from 1,599 of the 2,000 rows; they are left out",
        "rows": 401,
        "rows_seen": 1599,
        "unit": "row",
        "metrics": PAIRS,
        "text": "no clear difference to machines@3: average precision 0.851 against 0.842 on 401 rows",
        **changes,
    }


def baseline(metrics: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "with": "the baseline",
        "metrics": metrics or {"average_precision": pair(0.851, 0.034, 0.1, "better")},
        "rows": 2000,
        "unit": "row",
        "text": "clearly better than the baseline",
    }


def decision(threshold: float, costs: dict[str, float] | None) -> dict[str, Any]:
    grid = [0.0, *np.linspace(0.001, 0.999, 60).tolist(), 1.0]
    curve = [
        {
            "threshold": at,
            "called": 1 - at,
            "precision": None if at == 1 else 0.2 + 0.7 * at,
            "recall": 1 - at**2,
            "f1": 0.5,
            "cost": None if costs is None else 0.2 + (at - threshold) ** 2,
        }
        for at in sorted([*grid, threshold])
    ]
    shown = {
        "chosen": interval(0.2, 0.1),
        "half": interval(0.41, 0.2),
        "never": interval(0.85, 0.3),
        "always": interval(0.97, 0.0),
    }
    saved = {"half": interval(0.21, 0.1), "never": interval(-0.02, 0.1), "always": interval(-0.3, 0.1)}
    return {
        "threshold": threshold,
        "rows": 2000,
        "costs": costs,
        "cost": shown if costs else None,
        "saved": saved if costs else None,
        "curve": curve,
        "positive_class": "1",
        "why": "costs break even at a probability of 0.0385" if costs else "no costs are given",
        "chosen_on": {"rows": 8000, "what": "out-of-fold probabilities"} if costs else None,
    }


COSTS = {"false_positive": 1.0, "false_negative": 25.0, "true_positive": 0.0, "true_negative": 0.0}


def part(name: str, rows: int, value: float, width: float, size: float) -> dict[str, Any]:
    return {"name": name, "rows": rows, "size": size, **interval(value, width)}


def class_sets(classes: list[str], *, held: bool | None = True) -> dict[str, Any]:
    parts = [part(name, 150, 0.9 + (at % 7 - 3) * 0.02, 0.06, 1.1) for at, name in enumerate(classes)]
    coverage = interval(0.903, 0.02) if held is not None else {"value": 0.903, "low": None, "high": None}
    return {
        "kind": "set",
        "method": "per class",
        "level": 0.9,
        "target": "new rows like the training's",
        "unit": "row",
        "rows": 2000,
        "coverage": coverage,
        "held": held,
        "filled": 0.95,
        "by": [{"by": "class", "parts": parts}],
        "size": {"mean": 1.1, "empty": 0.03, "single": 0.9, "several": 0.07, "single_right": 0.97},
    }


def intervals() -> dict[str, Any]:
    """They hold too little, most of all at the high end."""
    parts = [
        part(f"{4e4 * at:.4g} to {4e4 * (at + 1):.4g}", 412, 0.93 - 0.02 * at, 0.03, 4e4 + 9e3 * at)
        for at in range(1, 8)
    ]
    return {
        "kind": "interval",
        "method": "follows the row",
        "level": 0.9,
        "target": "rows that come after the training's",
        "unit": "row",
        "rows": 4128,
        "coverage": interval(0.871, 0.02),
        "held": False,
        "width": {"mean": 9e4, "low": 4.1e4, "median": 8.8e4, "high": 1.6e5},
        "bounds": {"floor": 0.0, "ceiling": None},
        "by": [
            {"by": "prediction", "parts": parts},
            {
                "by": "time",
                "parts": [
                    part("from 2012-08-07 00:00", 600, 0.9, 0.02, 8e4),
                    part("from 2012-09-01 00:00", 600, 0.84, 0.02, 8e4),
                ],
            },
        ],
    }


OVERRULES = [
    {
        "kind": "task",
        "column": None,
        "setting": "task",
        "found": {"action": "multiclass", "what": "multiclass", "why": ""},
        "chosen": "binary",
        "loosens": False,
        "text": "task binary on request, instead of multiclass",
    },
    {
        "kind": "leak kept",
        "column": LONG,
        "setting": "keep",
        "found": {"action": "leave out", "what": "implies the target", "why": ""},
        "chosen": "kept",
        "loosens": True,
        "text": f"kept on request: {LONG}, although it implies the target",
    },
]


def prove(documents: dict[str, dict[str, Any]]) -> None:
    """Add these parts to the made-up models, other ones to each version; machines@1 is older than all of them."""
    newest, third, second, _ = (version["evidence"] for version in documents["machines"]["versions"])
    measured = newest["metrics"]["test"]["average_precision"]
    compared = {"baseline": baseline(PAIRS), "champion": champion()}
    newest |= {
        "slices": weak_segments("average_precision", measured),
        "comparisons": compared,
        "decision": decision(0.0385, COSTS),
        "conformal": class_sets(["0", "1"]),
        "overrules": OVERRULES,
    }
    reason = "the data that machines@1 was made from is no longer there"
    apart = champion(comparable=False, reason=reason, text=f"not comparable: {reason}", metrics=None)
    third |= {"comparisons": {"baseline": baseline(), "champion": apart}, "decision": decision(0.31, None)}
    doubt = "it is not known whether machines@1 learned from these rows"
    second |= {
        "comparisons": {
            "baseline": baseline(),
            "champion": champion(**{"fair": False, "caution": doubt, "with": "machines@1", "version": 1}),
        }
    }
    prices = documents["prices"]["versions"][0]["evidence"]
    overall = prices["metrics"]["test"]["rmse"]
    prices |= {
        "slices": no_segments("rmse", overall, loss="absolute error", findable=2310.5),
        "decision": None,
        "comparisons": {"baseline": baseline({"rmse": pair(46_812, 115_400, 2000, "better")}), "champion": None},
        "conformal": intervals(),
    }
    for version in documents["letters"]["versions"]:
        version["evidence"] |= {
            "slices": too_few_for_segments("log_loss"),
            "conformal": class_sets([chr(65 + at) for at in range(26)], held=None),
        }
