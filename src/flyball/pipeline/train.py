"""The third step: search, calibrate, export one graph, and check that it equals what was fitted."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl import Caps, FittedPipeline, Learned, check_parity, check_windows, export_graph, learn
from flyball.core.executor import Executor
from flyball.core.progress import Cancellation, Progress
from flyball.pipeline.blobs import get_bytes, present, put_bytes
from flyball.pipeline.deciding import check_costs, with_threshold
from flyball.pipeline.examine import Examined
from flyball.pipeline.plain import plain
from flyball.pipeline.read import DatasetVersion
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner
from flyball.pipeline.trials import SearchMemory
from flyball.store import ArtifactStore

__all__ = ["Trained", "learning_depends_on", "train"]

_STEP = "train"


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted pipeline with its graph. `out_of_fold`: (rows, …) outputs, NaN where a row was never validated."""

    pipeline: FittedPipeline
    graph: bytes
    out_of_fold: NDArray[np.float64]
    leaderboard: tuple[Mapping[str, Any], ...]
    parity: Mapping[str, Any]
    seconds: float
    notes: tuple[str, ...]
    digests: Mapping[str, str]


def train(
    dataset: DatasetVersion,
    examined: Examined,
    settings: LoopSettings,
    *,
    runner: StepRunner,
    artifacts: ArtifactStore,
    executor: Executor,
    progress: Progress,
    cancellation: Cancellation,
) -> Trained:
    """Learn from the training rows within the budget. Raises ExportRefused when the graph differs from the model."""
    check_costs(examined.task, settings)
    kept: list[tuple[FittedPipeline, bytes, NDArray[np.float64]]] = []
    depends_on = {**learning_depends_on(dataset, examined, settings), **settings.key("costs")}
    trials = SearchMemory(runner.memory, artifacts, runner.code_version, depends_on)

    def work() -> dict[str, Any]:
        learned = with_threshold(
            _learn(examined, settings, executor, progress, cancellation, trials=trials), examined, settings
        )
        learned = _with_windows(learned, examined)
        rows = examined.table.take(examined.plan.train).select(examined.used)
        progress.update(_STEP, None, "exporting one graph")
        graph = export_graph(learned.pipeline)
        progress.update(_STEP, None, "checking that the graph equals the model")
        parity = check_parity(graph, learned, rows)
        if learned.pipeline.windows is not None:
            check_windows(learned.pipeline.windows, examined.table.take(examined.plan.train))
        kept.append((learned.pipeline, graph, learned.oof))
        return {
            "pipeline": put_bytes(artifacts, learned.pipeline.to_bytes()),
            "graph": put_bytes(artifacts, graph),
            "out_of_fold": put_bytes(artifacts, _pack(learned.oof)),
            "leaderboard": plain(learned.leaderboard),
            "parity": plain(asdict(parity)),
            "seconds": float(learned.seconds),
            "notes": list(learned.notes),
        }

    outputs = runner.run(
        _STEP,
        depends_on,
        work,
        note=_note,
        usable=lambda made: present(artifacts, _blobs(made)),
    )
    trials.forget()
    if not kept:
        pipeline = FittedPipeline.from_bytes(get_bytes(artifacts, outputs["pipeline"]))
        kept.append(
            (pipeline, get_bytes(artifacts, outputs["graph"]), _unpack(get_bytes(artifacts, outputs["out_of_fold"])))
        )
    pipeline, graph, out_of_fold = kept[0]
    return Trained(
        pipeline, graph, out_of_fold, tuple(outputs["leaderboard"]), outputs["parity"], outputs["seconds"],
        tuple(outputs["notes"]), {name: outputs[name] for name in ("pipeline", "graph", "out_of_fold")},
    )  # fmt: skip


def _with_windows(learned: Learned, examined: Examined) -> Learned:
    """With those window features that the frame kept."""
    if examined.windows is None:
        return learned
    kept = set(learned.pipeline.schema.names) & set(examined.windows.names)
    windows = examined.windows.only(kept) if kept else None
    return replace(learned, pipeline=replace(learned.pipeline, windows=windows))


def _learn(
    examined: Examined, settings: LoopSettings, executor: Executor, progress: Progress, cancellation: Cancellation,
    *, trials: SearchMemory,
) -> Learned:  # fmt: skip
    """Only training rows are shown to the search; its folds are renumbered within them."""
    train_rows = examined.plan.train
    place = np.full(examined.table.rows, -1, dtype=np.intp)
    place[train_rows] = np.arange(len(train_rows))
    return learn(
        examined.table.take(train_rows).select(examined.used),
        examined.target.values[train_rows],
        field=examined.target.field,
        task=examined.task,
        metric=examined.metric,
        positive=examined.positive,
        folds=[(place[fit], place[validate]) for fit, validate in examined.plan.folds],
        budget_seconds=_left(examined, settings),
        trials=settings.trials,
        caps=Caps(settings.size_mb, settings.row_ms),
        memory=trials,
        seed=settings.seed,
        missing=examined.missing,
        sample_weight=None if examined.weights is None else examined.weights[train_rows],
        units=examined.plan.units_of(train_rows),
        executor=executor,
        progress=progress,
        step=_STEP,
        cancellation=cancellation,
    )


def _left(examined: Examined, settings: LoopSettings) -> float:
    """Seconds of the budget that finding window features has left."""
    if settings.trials is not None:  # the same on any machine, whatever took how long
        return settings.budget_seconds
    spent = 0.0 if examined.windows_found is None else float(examined.windows_found["seconds"])
    return max(min(1.0, settings.budget_seconds), settings.budget_seconds - spent)


def learning_depends_on(dataset: DatasetVersion, examined: Examined, settings: LoopSettings) -> dict[str, Any]:
    """What a model that is learned from the training rows depends on, as JSON values."""
    plan = examined.plan
    return {
        "dataset": dataset.version,
        "used": list(examined.used),
        "task": examined.task,
        "metric": examined.metric,
        "windows": None if examined.windows is None else examined.windows.digest,
        "missing": {name: list(values) for name, values in examined.missing.items()},
        "split": {"kind": plan.kind, "by": plan.by, "rows": plan.digest},
        **settings.key("target", "seed", "weight", "positive", "budget_seconds", "trials", "size_mb", "row_ms"),
    }


def _note(outputs: Mapping[str, Any]) -> str:
    tried = sum(entry["score"] is not None for entry in outputs["leaderboard"])
    return f"{tried} candidate{'' if tried == 1 else 's'}; the graph equals the model on {outputs['parity']['rows']:,} rows"


def _blobs(outputs: Mapping[str, Any]) -> list[str]:
    return [outputs["pipeline"], outputs["graph"], outputs["out_of_fold"]]


def _pack(values: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _unpack(data: bytes) -> NDArray[np.float64]:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), dtype=np.float64)
