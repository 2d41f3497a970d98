"""Gradient boosting: LightGBM under a deadline, its settings, and its folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.problem import Problem, View

__all__ = ["Boosted", "BoostingSettings", "Settled", "boost", "boosted_margin", "settle"]

_POOL_MB = (
    384  # of histograms that wait for a leaf's turn: some columns by hundreds fit, by thousands they took gigabytes
)
_WIDE = 1_000  # columns from which on what a finished booster still holds is worth a copy
_BINNING = {"max_bin": 255, "feature_pre_filter": False, "verbosity": -1}
_LEAF_VALUE = "leaf_value="
_LEAST_GAIN = 1e-4  # relative; rounds that gain less do not put off the end


@dataclass(frozen=True, slots=True)
class BoostingSettings:
    """One way to boost. `iterations` bounds the trees per output, `leaves` those of a tree."""

    name: str
    learning_rate: float = 0.1
    iterations: int = 400
    leaves: int = 31
    features: float = 0.8
    rows: float = 1.0
    least_rows: int = 20
    l2: float = 1.0
    random_splits: bool = False

    def parameters(self, problem: Problem) -> dict[str, Any]:
        """LightGBM's own names. Deterministic for a number of threads."""
        objective = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}[problem.task]
        if problem.loss.name == "absolute error":
            objective = "regression_l1"
        chosen: dict[str, Any] = {
            **_BINNING,
            "objective": objective,
            "metric": {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}.get(
                objective, "l1"
            ),
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "feature_fraction": self.features,
            "bagging_fraction": self.rows,
            "bagging_freq": 1 if self.rows < 1 else 0,
            "min_data_in_leaf": min(self.least_rows, max(2, problem.rows // 40)),
            "lambda_l2": self.l2,
            "extra_trees": self.random_splits,
            "seed": problem.seed % 2**31,
            "deterministic": True,
            "histogram_pool_size": _POOL_MB,
            "force_col_wise": True,
            "num_threads": problem.threads,
        }
        if objective == "multiclass":
            chosen["num_class"] = problem.outputs
        return chosen


@dataclass(frozen=True, slots=True)
class Boosted:
    """A fitted booster; curve: (iterations,) validation loss after each; stopped: the deadline ended it."""

    booster: Any
    curve: NDArray[np.float64]
    stopped: bool


def boost(
    view: View,
    settings: BoostingSettings,
    *,
    stop: Callable[[], bool],
    threads: int | None = None,
    after_each: Callable[[int], None] | None = None,
) -> Boosted:
    """Fit on the view's rows; validate, when it has such rows, to end early. At least one iteration runs."""
    import lightgbm

    problem = view.problem
    parameters = settings.parameters(problem)
    parameters["num_threads"] = threads or problem.threads
    train, valid = _datasets(view)
    curve: list[float] = []
    stopped, best, best_at = False, np.inf, 0
    patience = max(10, round(3.0 / settings.learning_rate))

    def watch(env: Any) -> None:
        nonlocal stopped, best, best_at
        if env.evaluation_result_list:
            curve.append(float(env.evaluation_result_list[0][2]))
            if curve[-1] < best * (1 - _LEAST_GAIN):
                best, best_at = curve[-1], len(curve)
            if len(curve) - best_at >= patience:
                raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)
        if after_each is not None:
            after_each(env.iteration + 1)
        if stop():
            stopped = True
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list or [])

    booster = lightgbm.train(
        parameters,
        train,
        num_boost_round=settings.iterations,
        valid_sets=[valid] if valid is not None else None,
        callbacks=[watch],
        keep_training_booster=True,
    )
    booster.free_dataset()
    if problem.matrix.shape[1] >= _WIDE:
        booster = lightgbm.Booster(model_str=booster.model_to_string())  # the same trees, without what grew them
    return Boosted(booster, np.array(curve), stopped)


def boosted_margin(
    booster: Any, features: NDArray[np.float32], threads: int, iterations: int | None = None
) -> NDArray[np.float64]:
    """Raw margins of the first `iterations` of LightGBM's own booster: (rows, outputs)."""
    margin = booster.predict(features, raw_score=True, num_iteration=iterations, num_threads=threads)
    return np.asarray(margin, dtype=np.float64).reshape(len(features), -1)


@dataclass(frozen=True, slots=True)
class Settled:
    """A booster cut to its chosen iterations, its leaves on a grid; `text` is LightGBM's own form of it."""

    booster: Any
    text: str
    leaves: int
    iterations: int


def settle(boosters: Sequence[Any], iterations: int) -> list[Settled]:
    """Keep the first iterations of each and round all leaves to one common power of two.

    Every partial sum of leaves is then exact in float32, so that a graph which adds in float32 gives what LightGBM
    gives in float64. The step is 2**-20 of the largest sum that one booster could reach: far below what data can tell,
    and with room for the sums of several boosters in float32's 24 bits.
    """
    import lightgbm

    texts = [booster.model_to_string(num_iteration=iterations).split("\n") for booster in boosters]
    found = [_leaf_lines(lines) for lines in texts]
    largest = 2.0**-60
    for booster, leaves in zip(boosters, found, strict=True):
        outputs = booster.num_model_per_iteration()
        peaks = [float(np.abs(values).max()) for values in leaves.values()]
        largest = max(largest, *(sum(peaks[output::outputs]) for output in range(outputs)))
    step = 2.0 ** (np.ceil(np.log2(largest)) - 20)
    settled = []
    for lines, leaves in zip(texts, found, strict=True):
        for position, values in leaves.items():
            lines[position] = _LEAF_VALUE + " ".join(repr(leaf) for leaf in (np.rint(values / step) * step).tolist())
        # without the sizes of the old text LightGBM reads tree after tree
        text = "\n".join(line for line in lines if not line.startswith("tree_sizes="))
        booster = lightgbm.Booster(model_str=text)
        count = sum(len(values) for values in leaves.values())
        settled.append(Settled(booster, text, count, booster.current_iteration()))
    return settled


def _leaf_lines(lines: Sequence[str]) -> dict[int, NDArray[np.float64]]:
    """Leaf values by the position of their line, tree after tree."""
    return {
        position: np.array(line[len(_LEAF_VALUE) :].split(), dtype=np.float64)
        for position, line in enumerate(lines)
        if line.startswith(_LEAF_VALUE)
    }


def _datasets(view: View) -> tuple[Any, Any]:
    """The view's LightGBM datasets, binned once for all settings."""
    import lightgbm

    if "train" not in view.cache:
        problem = view.problem
        parameters = {**_BINNING, "num_threads": problem.threads, "data_random_seed": problem.seed % 2**31}

        def dataset(features: NDArray[np.float32], rows: NDArray[np.intp], reference: Any) -> Any:
            weight = problem.weight[rows] if problem.weighted else None
            made = lightgbm.Dataset(
                features, problem.target[rows], weight=weight, params=parameters, reference=reference
            )
            return made.construct()

        train = dataset(view.training(), view.fit, None)
        valid = dataset(view.validation(), view.validate, train) if len(view.validate) else None
        view.cache.update(train=train, valid=valid)
    return view.cache["train"], view.cache["valid"]
