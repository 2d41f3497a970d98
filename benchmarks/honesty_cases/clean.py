"""Generated and permuted tables without a leak, an order or groups: whatever a look finds here is a false finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLEAN", "Columns", "base_table", "target_of"]

Columns = dict[str, Any]
Rng = np.random.Generator
TASKS = ("binary", "regression", "multiclass")


def base_table(rng: Rng, rows: int, width: int) -> tuple[Columns, NDArray[np.float64]]:
    """Independent columns of many kinds, and a signal made of some of them, with variance near one. (rows,) each."""
    makers: list[Callable[[], Any]] = [
        lambda: rng.normal(size=rows).round(4),
        lambda: rng.lognormal(2, 1, rows).round(2),
        lambda: rng.integers(0, int(rng.choice([5, 30, 400])), rows),
        lambda: rng.choice([f"level {number}" for number in range(int(rng.choice([2, 4, 12])))], rows),
        lambda: rng.random(rows) < rng.uniform(0.05, 0.6),
        lambda: np.where(rng.random(rows) < 0.15, np.nan, rng.gamma(2, 3, rows).round(3)),
        lambda: rng.standard_t(3, rows).round(4),
        lambda: rng.poisson(3, rows),
    ]
    columns: Columns = {}
    signal = np.zeros(rows)
    for place in range(width):
        values = makers[place % len(makers) if place < len(makers) else int(rng.integers(len(makers)))]()
        columns[f"x{place}"] = values
        if place < 8:
            signal += rng.normal() * _standard(values)
    return columns, _standard(signal)


def _standard(values: Any) -> NDArray[np.float64]:
    numbers = np.asarray(values)
    if numbers.dtype.kind in "US":
        numbers = np.unique(numbers, return_inverse=True)[1]
    numbers = np.nan_to_num(numbers.astype(float))
    centred = np.clip(numbers, *np.quantile(numbers, [0.01, 0.99])) - numbers.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-9))


def target_of(rng: Rng, signal: NDArray[np.float64], task: str, *, noise: float = 1.0, share: float = 0.4) -> Any:
    """A target of the signal and noise: "yes" / "no" (with that share of yes), one of four classes, or a number."""
    noisy = signal + noise * rng.normal(size=len(signal))
    if task == "regression":
        return (50 + 10 * noisy).round(3)
    if task == "binary":
        return np.where(noisy > np.quantile(noisy, 1 - share), "yes", "no")
    return np.array(["a", "b", "c", "d"])[np.searchsorted(np.quantile(noisy, [0.3, 0.6, 0.85]), noisy)]


def _plain(task: str, *, noise: float = 1.0, width: tuple[int, int] = (4, 14), share: float = 0.4) -> Any:
    def make(rng: Rng) -> Columns:
        rows = int(rng.choice([200, 400, 1000, 3000]))
        columns, signal = base_table(rng, rows, int(rng.integers(*width)))
        return {**columns, "y": target_of(rng, signal, task, noise=noise, share=share)}

    return make


def _imbalanced(rng: Rng) -> Columns:
    columns, signal = base_table(rng, 4000, 8)
    return {**columns, "y": target_of(rng, signal, "binary", share=float(rng.choice([0.01, 0.03, 0.97])))}


def _strong(rng: Rng) -> Columns:
    """A legitimate column that explains 95 % of the target."""
    columns, signal = base_table(rng, 1500, 6)
    strong = rng.normal(size=1500)
    value = 10 * strong + signal + 2 * rng.normal(size=1500)
    columns["load"] = strong.round(4)
    return {**columns, "y": value.round(2) if rng.random() < 0.5 else (value > 0).astype(int)}


def _easy(rng: Rng) -> Columns:
    """An easy problem: several columns are strong, one of them alone reaches a ROC AUC of about .97."""
    rows = 1200
    kind = rng.random(rows) < 0.4
    columns, _ = base_table(rng, rows, 4)
    for place, distance in enumerate((2.7, 2.4, 2.0)):
        columns[f"size_{place}"] = (distance * kind + rng.normal(size=rows)).round(4)
    return {**columns, "y": np.where(kind, "malignant", "benign")}


def _sorted(rng: Rng) -> Columns:
    """Rows arranged by a column that is no time: a key, a place, a name."""
    columns, signal = base_table(rng, 2000, 8)
    columns["area"] = np.char.add("area ", rng.integers(10, 40, 2000).astype(str))
    columns["y"] = target_of(rng, signal, str(rng.choice(TASKS)), noise=0.7)
    return _in_order(columns, np.argsort(columns[str(rng.choice(["x0", "x1", "x3", "area"]))], kind="stable"))


def _sorted_by_target(rng: Rng) -> Columns:
    columns = _plain(str(rng.choice(TASKS)))(rng)
    return _in_order(columns, np.argsort(columns["y"], kind="stable"))


def _many_levels(rng: Rng) -> Columns:
    """Names with many values that tell nothing: rows of one value have no more in common than others."""
    rows = 2400
    columns, signal = base_table(rng, rows, 8)
    columns["city"] = np.char.add("city ", rng.integers(0, 150, rows).astype(str))
    columns["customer_id"] = 10_000 + rng.integers(0, 300, rows)
    columns["store"] = rng.integers(1, 25, rows)
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _suspicious_names(rng: Rng) -> Columns:
    """Names that sound like after the fact, on columns that tell little or a fair amount."""
    rows = 1500
    columns, signal = base_table(rng, rows, 6)
    columns["duration"] = rng.gamma(2, 60, rows).round()
    columns["final_score"] = (0.5 * signal + rng.normal(size=rows)).round(3)
    columns["closed"] = rng.random(rows) < 0.5
    columns["result_code"] = rng.integers(0, 6, rows)
    columns["days_after_start"] = rng.integers(0, 400, rows)
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _natural_numbers(rng: Rng) -> Columns:
    """Whole numbers in which 0, -1, 99 and the like are what they say."""
    rows = 2000
    columns, signal = base_table(rng, rows, 5)
    columns["rain"] = np.where(rng.random(rows) < 0.8, 0, rng.gamma(1, 4, rows).round(1))
    columns["celsius"] = rng.normal(4, 8, rows).round().astype(int)
    columns["goal_difference"] = rng.integers(-4, 5, rows)
    columns["vote"] = rng.integers(-1, 2, rows)
    columns["percent"] = rng.integers(0, 101, rows)
    columns["capital_gain"] = np.where(rng.random(rows) < 0.93, 0, rng.lognormal(8, 1, rows).round())
    columns["year_built"] = rng.integers(1950, 2024, rows)
    columns["balance"] = (rng.normal(1000, 3000, rows)).round().astype(int)
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _telling_words(rng: Rng) -> Columns:
    """Levels called "none" and "other" that are levels like any other, and tell something."""
    rows = 1500
    columns, signal = base_table(rng, rows, 6)
    columns["insurance"] = rng.choice(["none", "basic", "full"], rows, p=[0.3, 0.4, 0.3])
    columns["channel"] = rng.choice(["web", "shop", "other"], rows)
    signal = signal + 1.2 * (columns["insurance"] == "none")
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _dates(rng: Rng) -> Columns:
    """Dates that are attributes of a row: they neither sort the rows nor tell anything of the target."""
    rows = 2000
    columns, signal = base_table(rng, rows, 7)
    columns["registered_on"] = (np.datetime64("2015-01-01") + rng.integers(0, 3000, rows)).astype(str)
    columns["last_visit_time"] = 1_600_000_000 + rng.integers(0, 10**8, rows)
    columns["month"] = rng.integers(1, 13, rows)
    columns["hour"] = rng.integers(0, 24, rows)
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _coarse(rng: Rng) -> Columns:
    """Few columns of few levels: rows repeat by chance, in all columns or all but one."""
    rows = int(rng.choice([500, 2500]))
    columns: Columns = {
        "sex": rng.choice(["f", "m"], rows),
        "grade": rng.integers(1, 6, rows),
        "band": rng.choice(list("ABCD"), rows),
        "children": rng.poisson(1, rows),
        "smoker": rng.random(rows) < 0.2,
        "age": rng.integers(18, 80, rows),
    }
    signal = 0.4 * columns["grade"] + columns["smoker"] - 0.02 * columns["age"]
    return {**columns, "y": target_of(rng, _standard(signal), str(rng.choice(TASKS)))}


def _correlated(rng: Rng) -> Columns:
    """Measurements that move together, as those of one body do, some of them in proportion."""
    rows = 1200
    size = rng.normal(size=rows)
    columns: Columns = {f"m{i}": (size + 0.2 * rng.normal(size=rows)).round(3) for i in range(6)}
    columns["volume"] = (np.exp(size) * 3).round(3)
    columns["noise"] = rng.normal(size=rows).round(3)
    return {**columns, "y": target_of(rng, size, str(rng.choice(TASKS)), noise=0.8)}


def _holes(rng: Rng) -> Columns:
    """Cells that are missing for reasons that have little to do with the target."""
    rows = 1500
    columns, signal = base_table(rng, rows, 8)
    for name in ("x0", "x1", "x6"):
        gone = rng.random(rows) < np.where(signal > 0, 0.35, 0.25)
        columns[name] = np.where(gone, np.nan, columns[name])
    return {**columns, "y": target_of(rng, signal, str(rng.choice(TASKS)))}


def _permuted(rng: Rng) -> Columns:
    """A real table whose target was permuted and whose rows were shuffled."""
    from sklearn import datasets

    name = str(rng.choice(["breast_cancer", "wine", "diabetes", "digits", "iris"]))
    data = getattr(datasets, f"load_{name}")()
    order = rng.permutation(len(data.target))
    columns: Columns = {f"f{place} {name}": column[order] for place, column in enumerate(data.data.T)}
    columns = {key: values for key, values in columns.items() if _varies(values)}
    return {**columns, "y": rng.permutation(data.target)}


def _real(rng: Rng) -> Columns:
    """A real table of independent rows, shuffled, with its own target: easy to predict, and no leak in it."""
    from sklearn import datasets

    name = str(rng.choice(["breast_cancer", "wine", "diabetes", "digits", "iris"]))
    data = getattr(datasets, f"load_{name}")()
    order = rng.permutation(len(data.target))[: int(0.9 * len(data.target))]
    columns: Columns = {f"f{place} {name}": column[order] for place, column in enumerate(data.data.T)}
    columns = {key: values for key, values in columns.items() if _varies(values)}
    return {**columns, "y": data.target[order]}


def _varies(values: NDArray[Any]) -> bool:
    """Whether more than a few rows differ: the handwritten digits have columns that are nearly constant indeed."""
    return bool(len(values) - np.unique(values, return_counts=True)[1].max() > 4)


def _counts(rng: Rng) -> Columns:
    """A target of whole numbers, near its columns' size and not made of them."""
    rows = 1500
    rate = rng.gamma(3, 10, rows)
    columns: Columns = {
        "seats": rng.poisson(rate),
        "visitors": rng.poisson(2 * rate),
        "price": rng.lognormal(3, 0.4, rows).round(2),
        "weekday": rng.integers(0, 7, rows),
        "site": rng.choice(list("NESW"), rows),
    }
    return {**columns, "y": rng.poisson(rate)}


def _in_order(columns: Columns, order: NDArray[np.intp]) -> Columns:
    return {name: np.asarray(values)[order] for name, values in columns.items()}


CLEAN: Mapping[str, Callable[[Rng], Columns]] = {
    "plain, two classes": _plain("binary"),
    "plain, number": _plain("regression"),
    "plain, four classes": _plain("multiclass"),
    "no signal at all": _plain("binary", noise=1e9),
    "hardly any noise": _plain("regression", noise=0.05),
    "100 columns": _plain("binary", width=(95, 105)),
    "100 columns, number": _plain("regression", width=(95, 105)),
    "imbalanced": _imbalanced,
    "one strong column": _strong,
    "easy problem": _easy,
    "sorted by a column": _sorted,
    "sorted by the target": _sorted_by_target,
    "many levels without effect": _many_levels,
    "suspicious names": _suspicious_names,
    "natural 0 and -1": _natural_numbers,
    "none and other as levels": _telling_words,
    "dates as attributes": _dates,
    "coarse columns": _coarse,
    "correlated measurements": _correlated,
    "holes": _holes,
    "counts": _counts,
    "real, permuted": _permuted,
    "real, as it is": _real,
}
