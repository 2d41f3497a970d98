"""The fourth step: what can be said of the model, measured on rows that it never saw."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import random_gap
from flyball.core.clock import Clock, rfc3339
from flyball.core.progress import Progress
from flyball.data import Table
from flyball.evaluation import (
    METRICS,
    Interval,
    NotEnoughData,
    baseline,
    baseline_outputs,
    calibration_bins,
    class_codes,
    confusion,
    curves,
    evaluate,
    plan_split,
    replication_interval,
    residual_bins,
)
from flyball.explain import explain
from flyball.features import stretches, with_windows
from flyball.governance import environment
from flyball.monitoring.watched import WATCHED_NAME
from flyball.pipeline.absent import cells_without_value
from flyball.pipeline.blobs import get_bytes, get_json, present, put_bytes, put_json
from flyball.pipeline.comparing import paired_metrics, words
from flyball.pipeline.conformal import conformal_evidence
from flyball.pipeline.deciding import decision_evidence
from flyball.pipeline.exam import Exam, Rows, class_typed
from flyball.pipeline.examine import Examined
from flyball.pipeline.personal import class_names
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion
from flyball.pipeline.row_time import row_time
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.shift import shift_evidence
from flyball.pipeline.slicing import Scored, slice_evidence
from flyball.pipeline.steps import StepRunner
from flyball.pipeline.train import Trained
from flyball.pipeline.watched import in_their_order, watched
from flyball.store import ArtifactStore
from flyball_runtime import golden
from flyball_runtime.profile import Profile
from flyball_runtime.score import Scorer, class_label

__all__ = ["Proved", "prove"]

_GOLDEN_ROWS = 128
_EXAMPLES = 3
_EFFECT_COLUMNS = 4
_MOST_CONFUSED = 200  # classes; a square of more is no picture, and megabytes of numbers
_EXPLAINED_ROWS = 400
_STEP = "prove"
_KEPT = ("evidence", "reference", "golden", "rows", WATCHED_NAME)
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Proved:
    """The evidence document, with the training profile and golden rows that the bundle carries."""

    evidence: Mapping[str, Any]
    reference: bytes
    golden: bytes
    digests: Mapping[str, str]


def prove(
    dataset: DatasetVersion,
    examined: Examined,
    trained: Trained,
    settings: LoopSettings,
    *,
    runner: StepRunner,
    artifacts: ArtifactStore,
    progress: Progress,
    clock: Clock,
    code: Mapping[str, Any],
) -> Proved:
    """Measure the trained model on the test rows, through the very scorer that serves it."""

    def work() -> dict[str, Any]:
        prover = _Prover(dataset, examined, trained, settings, progress)
        rows = put_bytes(artifacts, Rows.of(examined).to_bytes())
        evidence = plain(prover.evidence(clock.now(), code, rows))
        evidence["artifacts"][WATCHED_NAME] = put_bytes(artifacts, prover.watched())
        return {
            "evidence": put_json(artifacts, evidence),
            "reference": put_bytes(artifacts, prover.reference()),
            "golden": put_bytes(artifacts, prover.golden()),
            "rows": rows,
            WATCHED_NAME: evidence["artifacts"][WATCHED_NAME],
            "metric": examined.metric,
            "value": evidence["metrics"]["test"].get(examined.metric, {}).get("value"),
        }

    depends_on = {
        "trained": dict(trained.digests), "dataset": dataset.version, "dataset_name": dataset.name,
        "model": settings.name, "budget_seconds": settings.budget_seconds, **settings.key(),
        "notes": list(dataset.notes),  # files with the same content may have been read with different troubles
    }  # fmt: skip
    outputs = runner.run(
        _STEP, depends_on, work, note=_note,
        usable=lambda made: set(_KEPT) <= set(made) and present(artifacts, [made[name] for name in _KEPT]),
    )  # fmt: skip
    digests = {name: outputs[name] for name in _KEPT}
    reference, golden_rows = get_bytes(artifacts, digests["reference"]), get_bytes(artifacts, digests["golden"])
    return Proved(get_json(artifacts, digests["evidence"]), reference, golden_rows, digests)


class _Prover:
    """One model on its test rows: scores them once, then answers each part of the evidence."""

    def __init__(
        self, dataset: DatasetVersion, examined: Examined, trained: Trained, settings: LoopSettings, progress: Progress
    ) -> None:
        self._dataset, self._examined, self._trained, self._settings = dataset, examined, trained, settings
        self._progress = progress
        self._pipeline = trained.pipeline
        self._scorer = Scorer(trained.graph, trained.pipeline.schema, examined.task, trained.pipeline.class_values)
        self._test = examined.table.take(examined.plan.test)
        self._truth = self._typed(examined.target.values[examined.plan.test])
        self._outputs = self._scorer.score(self._test.columns)
        self._exam = Exam.of(dataset.version, examined, trained.pipeline, seed=settings.seed)
        self._hidden = settings.target in examined.personal
        classes = trained.pipeline.classes
        named = None if classes is None else [class_label(value) for value in classes]
        self._labels = None if named is None else class_names(named, hidden=self._hidden)
        self._measured = self._metrics()

    def evidence(self, now: datetime, code: Mapping[str, Any], rows: str) -> dict[str, Any]:
        """The evidence document; `rows` is the digest of the rows that were learned from and tested on."""
        examined, plan, pipeline = self._examined, self._examined.plan, self._pipeline
        reasons = self._reasons()
        latency = row_time(pipeline, self._scorer, self._test)
        return {
            "model": self._settings.name,
            "task": examined.task,
            "task_why": examined.task_why,
            "target": self._settings.target,
            "metric": examined.metric,
            "classes": self._labels,
            "positive_class": None if self._labels is None or len(self._labels) != 2 else self._labels[1],
            "threshold": pipeline.threshold,
            "data": {
                "dataset": self._dataset.name,
                "version": self._dataset.version,
                "rows": examined.table.rows,
                "columns": len(self._dataset.table.schema),
                "weight": self._settings.weight,
                "used": list(examined.used),
                "left_out": [dict(item) for item in examined.left_out],
                "personal": list(examined.personal),
                "notes": list(examined.notes),
                **({"related": dict(self._dataset.related)} if self._dataset.related else {}),
            },
            "split": {
                "kind": plan.kind, "by": plan.by, "confidence": plan.confidence, "why": plan.why, "unit": plan.unit,
                "train_rows": len(plan.train), "test_rows": len(plan.test), "folds": len(plan.folds),
                **examined.split, **self._with_copies(),
            },
            **({"features": dict(examined.bought)} if examined.bought else {}),
            "metrics": self._measured,
            "conformal": conformal_evidence(
                pipeline, examined, self._outputs, self._truth, self._measured["sampling"]
            ),
            "random_gap": self._gap(),
            "shift": shift_evidence(examined, seed=self._settings.seed),
            "windows": self._windows(),
            "overrules": [dict(one) for one in examined.overrules],
            "leaks": [dict(leak) for leak in examined.leaks],
            "findings": [dict(finding) for finding in examined.findings],
            **self._diagnostics(),
            **reasons,
            "slices": self._slices([item["column"] for item in reasons["importance"]]),
            "decision": decision_evidence(
                pipeline, self._trained.out_of_fold, examined, self._settings,
                truth=self._truth, outputs=self._outputs, labels=self._labels,
            ),
            "comparisons": {"baseline": self._against_baseline(), "champion": None},
            "leaderboard": [dict(entry) for entry in self._trained.leaderboard],
            "parity": dict(self._trained.parity),
            "latency": latency,
            "size_bytes": len(self._trained.graph),
            "budget": self._budget(),
            "notes": [*self._trained.notes, *self._needs_past(), *self._too_slow(latency), *self._unmeasured()],
            "environment": environment(),
            "code": dict(code),
            "artifacts": {**self._trained.digests, "rows": rows},
            "seed": self._settings.seed,
            "created": rfc3339(now),
        }  # fmt: skip

    def _too_slow(self, latency: Mapping[str, float]) -> list[str]:
        """The search goes by an estimate; what the row takes here is measured, beside whatever else runs."""
        took, allowed = latency["single_row_ms"], self._settings.row_ms
        if took <= 1.5 * allowed:
            return []
        windows = self._pipeline.windows
        why = (
            f", {took - latency['graph_ms']:.2g} ms of it for {len(windows.names)} features of earlier rows"
            if windows
            else ""
        )
        return [f"a single row took {took:.2g} ms here{why}: more than the {allowed:g} ms allowed; latency = "
                f'"{took:.1g}ms" allows it, fewer trees or features make it faster']  # fmt: skip

    def _needs_past(self) -> list[str]:
        """What a model with window features needs of its server, said before somebody serves it."""
        windows = self._pipeline.windows
        if windows is None:
            return []
        made = "1 feature is" if len(windows.names) == 1 else f"{len(windows.names)} features are"
        of = f'for the same "{windows.entity}"' if windows.entity is not None else "in the same stream"
        personal = [name for name in windows.schema.names if name in self._examined.personal]
        if personal:
            return [
                f"{made} made from the rows before each row {of}: `flyball predict` and sessions answer; `flyball serve` does "
                f'not, because "{personal[0]}" is personal, and a server would have to keep its values'
            ]
        return [
            f"{made} made from the rows before each row {of}: `flyball serve` keeps them from request to request, and "
            "--history gives it those of a table"
        ]

    def _windows(self) -> dict[str, Any] | None:
        """The window features that the model uses, and how they were found; None for a model without them."""
        windows, found = self._pipeline.windows, self._examined.windows_found
        if windows is None:
            return None
        told = {} if found is None else {key: found[key] for key in ("tried", "gain", "z", "shares", "why", "seconds")}
        return {"declared": found is None, "specification": windows.to_dict(), "names": list(windows.names), **told}

    def _budget(self) -> dict[str, Any]:
        settings = self._settings
        seconds = settings.budget_seconds if settings.trials is None else None
        return {"seconds": seconds, "trials": settings.trials, "used_seconds": self._trained.seconds}

    def _metrics(self) -> dict[str, Any]:
        self._progress.update(_STEP, 0.1, "metrics with intervals")
        examined, plan = self._examined, self._examined.plan
        weights = examined.weights
        common: dict[str, Any] = {"classes": self._pipeline.class_values, "positive": self._pipeline.positive}
        test = {
            **common, "seed": self._settings.seed, "groups": plan.units_of(plan.test),
            "weights": None if weights is None else weights[plan.test],
        }  # fmt: skip
        train_truth = self._typed(examined.target.values[plan.train])
        measured = {
            "test": evaluate(examined.task, self._truth, self._outputs, **test),
            "baseline": baseline(
                examined.task,
                train_truth,
                self._truth,
                train_weights=None if weights is None else weights[plan.train],
                **test,
            ),
        }
        validated = np.flatnonzero(np.isfinite(self._trained.out_of_fold[:, 0]))
        if len(validated):
            measured["cv"] = self._cross_validated(train_truth, validated)
        return {
            "test": {name: found.to_dict() for name, found in self._next_time(measured, train_truth).items()},
            "sampling": {name: found.to_dict() for name, found in measured["test"].items()},
            **{
                part: {name: interval.to_dict() for name, interval in measured.get(part, {}).items()}
                for part in ("cv", "baseline")
            },
        }

    def _cross_validated(self, truth: NDArray[Any], rows: NDArray[np.intp]) -> dict[str, Interval]:
        """Metrics of out-of-fold values; truth: (training rows,), rows: positions among the training rows."""
        examined, plan = self._examined, self._examined.plan
        table_rows, weights = plan.train[rows], examined.weights
        return evaluate(
            examined.task, truth[rows], self._as_outputs(self._trained.out_of_fold[rows]),
            classes=self._pipeline.class_values, positive=self._pipeline.positive, seed=self._settings.seed,
            groups=plan.units_of(table_rows), weights=None if weights is None else weights[table_rows],
        )  # fmt: skip

    def _next_time(self, measured: Mapping[str, Mapping[str, Interval]], truth: NDArray[Any]) -> dict[str, Interval]:
        """The test's figures with the intervals that as many new rows will fall into.

        In time order each fold is a stretch of time; elsewhere all folds together are rows like the test's.
        """
        plan = self._examined.plan
        periods = self._by_period(truth) if plan.kind == "time" else []
        pooled = {} if plan.kind == "time" else measured.get("cv", {})
        return {
            name: replication_interval(
                METRICS[name], found, pooled=pooled.get(name), periods=[each[name] for each in periods if name in each]
            )
            for name, found in measured["test"].items()
        }

    def _by_period(self, truth: NDArray[Any]) -> list[dict[str, Interval]]:
        """The figures of each fold, oldest first."""
        plan = self._examined.plan
        place = np.full(self._examined.table.rows, -1, dtype=np.intp)
        place[plan.train] = np.arange(len(plan.train))
        seen = np.asarray(np.isfinite(self._trained.out_of_fold).all(axis=1))
        stretches = [rows[seen[rows]] for rows in (place[validate] for _, validate in plan.folds)]
        return [self._cross_validated(truth, rows) for rows in stretches if len(rows)]

    def _with_copies(self) -> dict[str, Any]:
        """The metric with and without test rows that copy training rows, exactly or nearly: both ways, so that nothing
        is hidden. Exact copies are not among the rows that all other figures are of; near ones are.
        """
        examined, test = self._examined, self._examined.plan.test
        told: dict[str, Any] = {}
        measured = (self._measured["test"].get(examined.metric) or {}).get("value")
        if len(examined.copies):
            other = self._measured_on(np.sort(np.concatenate([test, examined.copies])))
            told["copies"] = {"metric": examined.metric, "with": other, "without": measured}
        if len(examined.near):
            other = self._measured_on(np.setdiff1d(test, examined.near))
            told["near_copies"] = {"metric": examined.metric, "with": measured, "without": other}
        return {name: {**examined.split[name], **both} for name, both in told.items()}

    def _measured_on(self, rows: NDArray[np.intp]) -> float | None:
        """The metric on these rows of the table; None where they leave it undefined."""
        examined = self._examined
        if not len(rows):
            return None
        found = evaluate(
            examined.task, self._typed(examined.target.values[rows]),
            self._scorer.score(examined.table.take(rows).columns), classes=self._pipeline.class_values,
            positive=self._pipeline.positive, weights=None if examined.weights is None else examined.weights[rows],
            groups=examined.plan.units_of(rows), seed=self._settings.seed,
        ).get(examined.metric)  # fmt: skip
        return None if found is None else found.value

    def _unmeasured(self) -> list[str]:
        """What to say when the metric to be best at is undefined on the test rows."""
        metric = self._examined.metric
        if metric in self._measured["test"]:
            return []
        why = "" if self._examined.task == "regression" else ": they hold too few rows of a class"
        return [f"{metric} is undefined on the {self._test.rows:,} test rows{why}"]

    def _as_outputs(self, out_of_fold: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Out-of-fold values in the form that scoring answers with."""
        pipeline = self._pipeline
        if pipeline.classes is None:
            known = [column for column in out_of_fold.T if np.isfinite(column).all()]
            return dict(zip(("prediction", "low", "high"), known, strict=False))
        probability = out_of_fold
        if probability.shape[1] == 1:
            probability = np.column_stack([1 - probability[:, 0], probability[:, 0]])
        values = pipeline.class_values
        assert values is not None
        binary = _at_threshold(probability, pipeline.threshold) if len(values) == 2 else probability.argmax(axis=1)
        sets = {} if pipeline.sets is None else {"in_set": pipeline.sets.holds(probability)}
        return {"prediction": values[binary], "probability": probability, **sets}

    def _gap(self) -> dict[str, Any] | None:
        """What a random split would have shown instead, when the honest one is another.

        None with test rows of their own: no split was made that another could be held against, and whether the file
        flatters is told by its copies, its groups and its time.
        """
        examined, plan = self._examined, self._examined.plan
        if plan.kind == "random" or examined.split["test_file"] is not None:
            return None
        self._progress.update(_STEP, 0.3, "the gap to a random split")
        target, seed = examined.target.values, self._settings.seed
        shuffled = plan_split(examined.table.rows, kind="random", target=target, task=examined.task, seed=seed)
        return random_gap(
            examined.table.select(examined.used), target, task=examined.task, metric=examined.metric, seed=seed,
            honest_folds=[(plan.train, plan.test)], random_folds=[(shuffled.train, shuffled.test)],
            field=examined.target.field, honest_units=plan.units, positive=examined.positive, weights=examined.weights,
            missing=examined.missing,
        )  # fmt: skip

    def _diagnostics(self) -> dict[str, Any]:
        """Calibration, curves and confusions of a classifier; residuals of a regression."""
        parts: dict[str, Any] = {"calibration": None, "curves": None, "residuals": None, "confusion": None}
        values, weights = self._pipeline.class_values, self._exam.weights
        if values is None:
            truth = np.asarray(self._truth, dtype=np.float64)
            residuals = residual_bins(truth, self._outputs["prediction"], weights=weights)
            # of a personal target its errors are told, not the medians of what was true
            parts["residuals"] = {**residuals, "by_prediction": []} if self._hidden else residuals
            return parts
        if len(values) <= _MOST_CONFUSED:
            counts = confusion(self._truth, self._outputs["prediction"], values)
            parts["confusion"] = {"classes": self._labels, "counts": counts}
            if weights is not None:
                weighed = confusion(self._truth, self._outputs["prediction"], values, weights=weights)
                parts["confusion"]["weights"] = weighed
        if len(values) == 2:
            positive = class_codes(self._truth, values) == 1
            probability = self._outputs["probability"][:, 1]
            parts["calibration"] = {"bins": calibration_bins(probability, positive, weights=weights)}
            with contextlib.suppress(NotEnoughData):
                parts["curves"] = curves(probability, positive, weights=weights)
        else:
            # of many classes: how often the class that is named, with this probability, is the true one
            confidence, right = self._outputs["probability"].max(axis=1), self._outputs["prediction"] == self._truth
            parts["calibration"] = {"bins": calibration_bins(confidence, right, weights=weights)}
        return parts

    def _reasons(self) -> dict[str, Any]:
        """Which columns move the score, how, and for a few test rows by how much."""
        self._progress.update(_STEP, 0.6, "reasons")
        rng = np.random.default_rng(self._settings.seed)
        rows = np.sort(rng.permutation(self._test.rows)[:_EXPLAINED_ROWS])
        explained = explain(
            self._pipeline, self._test.take(rows), hide=self._examined.personal, hide_classes=self._hidden
        )
        importance = explained.importance(seed=self._settings.seed)
        shown = [item.column for item in importance if item.column not in explained.hidden][:_EFFECT_COLUMNS]
        return {
            "importance": [item.to_dict() for item in importance],
            "effects": [{"column": column, "bins": explained.effects(column)} for column in shown],
            "examples": [
                {**self._whose(int(rows[row])), **explained.row_dict(row)}
                for row in _telling_rows(explained.margin[:, -1])
            ],
        }

    def _slices(self, telling: list[str]) -> dict[str, Any]:
        self._progress.update(_STEP, 0.8, "weak segments")
        exam = self._exam
        scored = Scored(
            exam.task, exam.table, exam.truth, self._outputs, metric=exam.metric, classes=exam.classes,
            positive=exam.positive, units=exam.units, weights=exam.weights, seed=exam.seed,
        )  # fmt: skip
        return slice_evidence(scored, self._examined, self._settings, telling=telling)

    def _against_baseline(self) -> dict[str, Any]:
        """The paired difference to a model that looks at no column, on the test rows."""
        examined, plan, exam = self._examined, self._examined.plan, self._exam
        guess = baseline_outputs(
            examined.task, self._typed(examined.target.values[plan.train]), self._test.rows, classes=exam.classes,
            train_weights=None if examined.weights is None else examined.weights[plan.train],
        )  # fmt: skip
        found = paired_metrics(exam, self._outputs, guess)
        return {
            "with": "the baseline", "rows": self._test.rows, "unit": plan.unit,
            "metrics": {name: one.to_dict() for name, one in found.items()},
            "text": words(found.get(exam.metric), exam.metric, "the baseline", self._test.rows),
        }  # fmt: skip

    def _whose(self, test_row: int) -> dict[str, Any]:
        """A test row's number in the dataset, and what was true of it (None when the target is personal)."""
        examined = self._examined
        row = examined.target.rows_kept[examined.plan.test[test_row]]
        return {"row": int(row), "target": None if self._hidden else plain(self._truth[test_row])}

    def reference(self) -> bytes:
        """The profile of the training rows in blocks, without columns marked personal."""
        self._progress.update(_STEP, 0.9, "reference profile and golden rows")
        kept = [name for name in self._pipeline.inputs.names if name not in self._examined.personal]
        train = self._examined.plan.train
        rows = self._examined.table.take(train).select(kept)
        return Profile.build(dict(rows.columns), rows.schema, order=in_their_order(self._examined, train)).to_bytes()

    def watched(self) -> bytes:
        """Which rows were learned from, and the scores of the test rows: what windows of requests are held against."""
        return watched(self._examined, self._labels, self._outputs).to_bytes()

    def golden(self) -> bytes:
        """Test rows with the outputs expected for them; columns marked personal are missing in them.

        Of a model with window features they are the beginnings of a few entities, whose names are numbered if personal.
        """
        windows, personal, inputs = self._pipeline.windows, self._examined.personal, self._pipeline.inputs
        rows = np.arange(min(self._test.rows, _GOLDEN_ROWS))
        if windows is not None:
            rows = stretches(windows, self._test, _GOLDEN_ROWS)
        table = self._test.take(rows).select(inputs.names)
        columns = {
            field.name: cells_without_value(table.rows, field.kind) if field.name in personal else table[field.name]
            for field in inputs
        }
        given = columns
        if windows is not None:
            if windows.entity is not None and windows.entity in personal:
                columns[windows.entity] = _numbered(table[windows.entity], inputs[windows.entity].kind)
            given = dict(with_windows(Table(inputs, columns), windows).columns)
        return golden.pack(columns, self._scorer.score(given, margin=True), inputs)

    def _typed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Target values in the type of the classes, so that they compare equal."""
        return class_typed(values, self._pipeline)


def _note(made: Mapping[str, Any]) -> str:
    if made["value"] is None:
        return f"{made['metric']} is undefined on the test rows"
    return f"{made['metric']} {made['value']:.4g} on the test rows"


def _telling_rows(score: NDArray[np.float64]) -> list[int]:
    """The rows with the highest, the middle and the lowest score."""
    order = np.argsort(-score, kind="stable")
    return [int(row) for row in order[np.unique(np.linspace(0, len(order) - 1, _EXAMPLES).astype(np.intp))]]


def _at_threshold(probability: NDArray[np.float64], threshold: float) -> NDArray[np.intp]:
    """Class positions of a binary task at a threshold on the positive class: (rows, 2) -> (rows,)."""
    return (probability[:, 1] >= threshold).astype(np.intp)


def _numbered(names: NDArray[Any], kind: str) -> NDArray[Any]:
    """Numbers in place of names: equal where these are."""
    codes = np.unique(names.astype(str), return_inverse=True)[1]
    return codes.astype(np.float64) if kind == "number" else codes.astype(str).astype(object)
