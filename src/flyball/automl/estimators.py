"""The search as plain scikit-learn estimators."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from flyball.automl.allowance import Caps
from flyball.automl.bundle import bundle_files, golden_file
from flyball.automl.export import export_graph
from flyball.automl.group_windows import group_windows, keep_windows
from flyball.automl.parity import check_parity
from flyball.automl.pipeline import Task
from flyball.automl.problem import Fold
from flyball.automl.rows import as_rows, row_digests
from flyball.automl.search import Learned, learn
from flyball.automl.structure import RowStructure, rows_as_found
from flyball.config import parse_effort
from flyball.core.clock import Clock, SystemClock
from flyball.core.counting import counted
from flyball.core.executor import LocalExecutor
from flyball.core.files import replace_directory
from flyball.data import Table, read_source
from flyball.evaluation import label_codes, plan_split, time_blocks
from flyball_runtime.errors import BadInput
from flyball_runtime.manifest import MANIFEST_NAME
from flyball_runtime.score import Scorer
from flyball_runtime.table import normalise, read_columns
from flyball_runtime.windowed import Windowed

__all__ = ["AutoClassifier", "AutoRegressor", "EstimatorInput", "SparseInput"]

_FOLDS = 5
_STRETCHES = 120


class EstimatorInput(BadInput, ValueError):
    """What was given to an estimator's fit or predict cannot be used; also a ValueError, as scikit-learn expects."""

    code = "FB-AUTOML-002"


class SparseInput(BadInput, TypeError):
    """A sparse matrix was given; the estimators read dense tables. Also a TypeError, as scikit-learn expects."""

    code = "FB-AUTOML-003"


class _AutoEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """What both estimators share. Parameters are scikit-learn's: set in the constructor, never changed by fit."""

    _task: Task

    def __init__(
        self,
        budget: float | str = 60.0,
        *,
        metric: str | None = None,
        split: Literal["auto", "random", "time"] = "auto",
        max_size_mb: float = 10.0,
        max_row_ms: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.split = split
        self.max_size_mb = max_size_mb
        self.max_row_ms = max_row_ms
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _fit(
        self, X: Any, target: NDArray[Any], task: Task, sample_weight: ArrayLike | None, groups: ArrayLike | None
    ) -> None:
        table = self._training_table(X)
        if table.rows != len(target):
            raise EstimatorInput(
                f"Found input variables with inconsistent numbers of samples: {[table.rows, len(target)]}"
            )
        if self.split not in ("auto", "random", "time"):
            raise EstimatorInput(f"split must be 'auto', 'random' or 'time', not {self.split!r}")
        weight = None if sample_weight is None else _weights(sample_weight, table.rows)
        seed = _seed(self.random_state)
        kept = slice(None) if weight is None else np.flatnonzero(weight > 0)  # a weight of zero is no row at all
        table, target = table.take(kept), target[kept]
        weight = None if weight is None else weight[kept]
        labels = None if groups is None else np.asarray(groups)[kept]
        repeats = as_rows(weight, len(target))
        if repeats is not None:  # weights that count rows are rows; the same model comes out either way
            table, target, weight = table.take(repeats), target[repeats], None
            labels = None if labels is None else labels[repeats]
        try:
            effort, began = parse_effort(self.budget), time.monotonic()
            seconds = effort.seconds if effort.trials is None else np.inf
            structure = self._structure(X, table, target, labels, task=task, seed=seed, budget=seconds)
            split, labels, order, alike = structure.split, structure.groups, structure.order, None
            if split == "random":
                digests = row_digests(table, target, weight, labels)
                order = np.argsort(digests, kind="stable")
                alike = digests[order]
            if order is not None:
                table, target = table.take(order), target[order]
                weight = None if weight is None else weight[order]
                labels = None if labels is None else labels[order]
            folds = _folds(target, task, split, labels, seed, alike=alike)
            found = group_windows(
                table, target, labels if split == "random" else None, task=task, metric=self.metric, folds=folds,
                seed=seed, budget=seconds, weights=weight,
            )  # fmt: skip
            spent = time.monotonic() - began
            learned = learn(
                found.table.select([name for name in found.learned if name not in structure.unused]),
                target,
                task=task,
                metric=self.metric,
                folds=folds,
                budget_seconds=effort.seconds if effort.trials is not None else max(0.0, effort.seconds - spent),
                trials=effort.trials,
                caps=Caps(self.max_size_mb, self.max_row_ms),
                executor=None if self.n_jobs is None or self.n_jobs < 0 else LocalExecutor(self.n_jobs),
                seed=seed,
                sample_weight=weight,
                units=_units(split, labels, len(target)),
            )
            learned = keep_windows(learned, found)
            learned = replace(learned, notes=[*structure.notes, *learned.notes])
        except BadInput as error:
            raise _as_value_error(error) from error
        self._finish(found.table, learned)

    def _structure(
        self,
        X: Any,
        table: Table,
        target: NDArray[Any],
        labels: NDArray[Any] | None,
        *,
        task: Task,
        seed: int,
        budget: float,
    ) -> RowStructure:
        """How the rows hang together: as `fit` was told, or as named columns show."""
        if self.split == "auto" and labels is None and _is_named(X):
            return rows_as_found(table, target, task=task, seed=seed, budget=budget)
        return RowStructure("time" if self.split == "time" else "random", groups=labels)

    def _finish(self, table: Table, learned: Learned) -> None:
        from flyball_runtime.profile import Profile

        self.graph_ = export_graph(learned.pipeline)
        self.parity_ = check_parity(self.graph_, learned, table)
        self.pipeline_ = learned.pipeline
        self.leaderboard_ = learned.leaderboard
        self.notes_ = learned.notes
        used = table.select(learned.pipeline.inputs.names)
        self._golden = golden_file(self.graph_, learned.pipeline, used)
        self._reference = Profile.build(used.columns, used.schema).to_bytes()
        self._scorer = self._open_scorer()

    def _training_table(self, X: Any) -> Table:
        """X as a table with inferred types; sets n_features_in_ and, for named columns, feature_names_in_."""
        if _is_named(X):
            if not isinstance(X, Mapping):
                validate_data(self, X, skip_check_array=True)
            table = _read(X)
            if isinstance(X, Mapping):
                self.n_features_in_ = len(table.names)
                self.feature_names_in_ = np.array(table.names, dtype=object)
        else:
            array = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan" if _is_numeric(X) else False)
            table = _read(array)
        if not len(table.schema) or not table.rows:
            raise EstimatorInput("Found array with 0 sample(s) or 0 feature(s) while a minimum of 1 is required.")
        return table

    def _score_rows(self, X: Any) -> dict[str, NDArray[Any]]:
        """Outputs for X, through the runtime's scoring path."""
        check_is_fitted(self, "graph_")
        if _is_named(X):
            if not isinstance(X, Mapping):
                validate_data(self, X, skip_check_array=True, reset=False)
            source: Any = X
        else:
            finite = "allow-nan" if _is_numeric(X) else False
            array = validate_data(self, X, dtype=None, ensure_all_finite=finite, reset=False)
            names = getattr(self, "feature_names_in_", [f"x{index}" for index in range(array.shape[1])])
            source = {str(name): array[:, index] for index, name in enumerate(names)}
        try:
            windows = self.pipeline_.windows
            if windows is not None:  # the rows given are the whole past of their groups
                columns = normalise(read_columns(source), self.pipeline_.inputs)
                source = Windowed(windows, self.pipeline_.schema).of_table(columns)
            outputs: dict[str, NDArray[Any]] = self._scorer.score(source)
        except BadInput as error:
            raise _as_value_error(error) from error
        return outputs

    def _open_scorer(self) -> Scorer:
        pipeline = self.pipeline_
        return Scorer(self.graph_, pipeline.schema, pipeline.task, pipeline.class_values)

    def export(
        self, path: str | Path, *, name: str = "model", target: str = "target", clock: Clock | None = None
    ) -> Path:
        """Write an unsigned bundle to the folder `path`, replacing it; `flyball_runtime.open_bundle` opens it.

        name: of the model; target: what it predicts. Returns the folder.
        """
        check_is_fitted(self, "graph_")
        folder = Path(path)
        if (
            folder.exists()
            and not (folder / MANIFEST_NAME).is_file()
            and (not folder.is_dir() or any(folder.iterdir()))
        ):
            raise EstimatorInput(f"{folder} exists and is no bundle, so it was not replaced", fix="name another folder")
        created = (clock or SystemClock()).now()
        files = bundle_files(
            self.graph_,
            self.pipeline_,
            model=name,
            version=None,
            target=target,
            created=created,
            provenance={"trials": self.leaderboard_, "parity": self.parity_.to_dict()},
            reference=self._reference,
            golden=self._golden,
            card=_card(self, name, target),
            sbom=_sbom(name, self.graph_),
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_directory(folder, files, label="automl.export")
        return folder

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_scorer", None)  # an open session belongs to its process
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "graph_"):
            self._scorer = self._open_scorer()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.non_deterministic = False
        return tags


class AutoClassifier(ClassifierMixin, _AutoEstimator):  # type: ignore[misc]
    """Learns a calibrated classifier within `budget` seconds and answers through its exported graph.

    budget: seconds for fit, export and its check included, or "20 trials", the same work and model on any machine;
    n_jobs: folds that are fitted at a time (None: one a core); metric: what the user will judge by, such as "roc_auc";
    split: "auto" validates in the order of time or by the groups that named columns show, else at random, and `notes_`
    tells what was found; "random"; or "time" when rows stand in time order. max_size_mb, max_row_ms: how
    large the exported graph and how slow a single row may be. random_state: a seed. Numbers, texts, times, booleans
    and missing values may be given as they are, in numpy, pandas, Polars or Arrow form.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> model = AutoClassifier(budget=5, random_state=0).fit(X, np.where(X[:, 0] > 0, "up", "down"))
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]]).tolist()
    ['up', 'down']
    """

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> Self:
        """Learn. groups: (rows,) rows that share a label are validated together. Raises EstimatorInput (ValueError).

        Where a column of X names the groups and another orders the rows of each, features of a row's own past in its
        group (means, slopes … of the rows before it) are tried, and kept when they lower the loss on groups unseen.
        Rows given to `predict` are then the whole past of their groups, in any order.
        """
        labels = column_or_1d(_one_dimensional(y), warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        try:
            self.classes_ = np.unique(labels)
        except TypeError:
            raise EstimatorInput("the class labels cannot be ordered", fix="give labels of one type") from None
        if len(self.classes_) < 2:
            raise EstimatorInput(
                f"a classifier needs at least two classes; y holds {len(self.classes_)} class",
                fix="give rows of the other classes too",
            )
        task: Task = "binary" if len(self.classes_) == 2 else "multiclass"
        self._fit(X, _plain_labels(labels), task, sample_weight, groups)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, in the type that `fit` saw: (rows,)."""
        answer = self._score_rows(X)["probability"]
        if len(self.classes_) == 2:
            return np.asarray(self.classes_[(answer[:, 1] >= 0.5).astype(np.intp)])
        return np.asarray(self.classes_[answer.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities, (rows, classes), in the order of `classes_`."""
        return self._score_rows(X)["probability"]

    def predict_set(self, X: Any) -> NDArray[np.bool_]:
        """Which classes are plausible at 90 %, (rows, classes), in the order of `classes_`; a row may have none."""
        return self._score_rows(X)["in_set"]


class AutoRegressor(RegressorMixin, _AutoEstimator):  # type: ignore[misc]
    """Learns a regression with 90 % prediction intervals within `budget` seconds; see AutoClassifier."""

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> Self:
        """Learn. groups: (rows,) rows that share a label are validated together. Raises EstimatorInput (ValueError).

        Where a column of X names the groups and another orders the rows of each, features of a row's own past in its
        group (means, slopes … of the rows before it) are tried, and kept when they lower the loss on groups unseen.
        Rows given to `predict` are then the whole past of their groups, in any order.
        """
        values = column_or_1d(_one_dimensional(y), warn=True)
        values = check_array(values, ensure_2d=False, dtype=np.float64, input_name="y")
        self._fit(X, values, "regression", sample_weight, groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(rows,)"""
        return self._score_rows(X)["prediction"]

    def predict_interval(self, X: Any) -> NDArray[np.float64]:
        """The low and high end of each row's 90 % interval: (rows, 2)."""
        answer = self._score_rows(X)
        return np.stack([answer["low"], answer["high"]], axis=1)


def _is_named(X: Any) -> bool:
    if hasattr(X, "toarray"):
        raise SparseInput("sparse input is not supported", fix="pass X.toarray()")
    return isinstance(X, Mapping) or hasattr(X, "__arrow_c_stream__") or hasattr(X, "iloc")


def _is_numeric(X: Any) -> bool:
    return not (hasattr(X, "dtype") and X.dtype.kind in "OUSM")


def _read(X: Any) -> Table:
    try:
        return read_source(X).table
    except BadInput as error:
        raise _as_value_error(error) from error


def _one_dimensional(y: Any) -> Any:
    if y is None:
        raise EstimatorInput("This estimator requires y to be passed, but the target y is None")
    return y.to_numpy() if hasattr(y, "to_numpy") else y


def _plain_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as bool, int64, float64 or objects of str: what a bundle's manifest can hold."""
    if labels.dtype.kind in "biuf":
        return labels
    if labels.dtype.kind == "O" and all(isinstance(label, (int, np.integer)) for label in labels):
        return labels.astype(np.int64)
    plain = np.empty(len(labels), dtype=object)
    plain[:] = [str(label) for label in labels]
    return plain


def _weights(sample_weight: ArrayLike, rows: int) -> NDArray[np.float64]:
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (rows,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise EstimatorInput(
            f"sample_weight must hold {rows} finite numbers >= 0, not every weight zero", why=f"shape {weight.shape}"
        )
    return weight


def _seed(random_state: int | np.random.RandomState | None) -> int:
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(random_state.randint(2**31 - 1))


def _folds(
    target: NDArray[Any], task: Task, split: str, groups: NDArray[Any] | None, seed: int, *, alike: NDArray[Any] | None
) -> list[Fold]:
    """Folds over all rows: these estimators keep no test part of their own. Rows that are `alike` stay together."""
    rows = len(target)
    if rows < 2:
        raise EstimatorInput(f"learning needs more than n_samples = {rows} rows: 1 sample cannot be validated")
    if split == "time":
        edges = np.linspace(0, rows, min(_FOLDS, rows - 1) + 2).astype(np.intp)
        pairs = pairwise(edges[1:])
        return [(np.arange(start), np.arange(start, end)) for start, end in pairs if 0 < start < end]
    if groups is None and rows >= 10:
        copies = alike if alike is not None and len(np.unique(alike)) < rows else None
        plan = plan_split(
            rows, kind="random", groups=copies, target=target, task=task, seed=seed, test=0.2, folds=_FOLDS
        )
        return [*_widened(plan.folds, plan.train, plan.test)]
    labels = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(labels.max()) + 1
    if count < 2:
        raise EstimatorInput("validation by group needs at least two groups")
    part = (np.random.default_rng(seed).permutation(count) % min(_FOLDS, count))[labels]
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(int(part.max()) + 1)]


def _units(split: str, groups: NDArray[Any] | None, rows: int) -> NDArray[np.int64] | None:
    """Rows that depend on each other: those of a group, or of a stretch of time."""
    if split == "time":
        return time_blocks(np.arange(rows), count=_STRETCHES)
    return None if groups is None else label_codes(groups)


def _widened(folds: list[Fold], train: NDArray[np.intp], test: NDArray[np.intp]) -> list[Fold]:
    """Cross-validation folds over train and test together: the test rows are one more fold."""
    everything = np.concatenate([train, test])
    parts = [validate for _, validate in folds] + [test]
    return [(np.setdiff1d(everything, part), part) for part in parts if len(part)]


def _as_value_error(error: BadInput) -> EstimatorInput:
    if isinstance(error, EstimatorInput):
        return error
    return EstimatorInput(error.what, where=error.where, why=error.why, fix=error.fix, facts=error.facts)


def _card(model: _AutoEstimator, name: str, target: str) -> str:
    pipeline = model.pipeline_
    best = model.leaderboard_[0]
    lines = [
        "---",
        "library_name: flyball",
        "tags: [tabular]",
        "---",
        f"# {name}",
        "",
        f"Predicts **{target}** ({pipeline.task}) from "
        f"{counted(len(pipeline.inputs), 'column')}: {', '.join(pipeline.inputs.names)}.",
        "",
        f"Best candidate in cross-validation: {best['name']}, loss {best['score']:.6g}.",
        f"The graph equals the fitted models on {model.parity_.rows:,} rows "
        f"(largest difference {model.parity_.max_abs_diff:.2g}).",
        "",
        "Exported from an estimator: unsigned, without a test set of its own, and judged by no gate.",
    ]
    return "\n".join(lines) + "\n"


def _sbom(name: str, graph: bytes) -> bytes:
    """A minimal CycloneDX 1.6 document: the model and the libraries that made it."""
    from importlib.metadata import version

    from flyball.core.canonical import sha256_hex

    digest = sha256_hex(graph)
    libraries = [
        {
            "type": "library",
            "name": package,
            "version": version(package),
            "purl": f"pkg:pypi/{package}@{version(package)}",
        }
        for package in ("flyball", "flyball-runtime", "lightgbm", "numpy", "onnx", "scikit-learn")
    ]
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": name,
        "version": digest[:12],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32])}",
        "version": 1,
        "metadata": {"component": model},
        "components": libraries,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()
