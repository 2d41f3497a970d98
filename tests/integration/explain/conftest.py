"""Pipelines as training leaves them: boosting members with their own encodings, and a linear one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest

from flyball.automl.linear import CategoryTable, LinearModel
from flyball.automl.pipeline import Calibration, FittedPipeline, Member, PredictionInterval
from flyball.data import Table
from flyball.features import Frame, TargetEncoding, fit_encoding, fit_frame
from flyball.trees import from_lightgbm
from flyball_runtime.schema import MISSING_TIME, Field, Schema

FIELDS = (
    Field("torque", "number", "float", "Nm"),
    Field("worn", "number", "boolean"),
    Field("opened", "time", "datetime"),
    Field("site", "text"),
    Field("constant", "number", "integer"),
    Field("noise", "number", "float"),
)


def make_table(rows: int, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    torque = rng.normal(40, 10, rows)
    torque[rng.random(rows) < 0.05] = np.nan
    opened = 1_600_000_000_000_000 + rng.integers(0, 10**14, rows)
    opened[rng.random(rows) < 0.05] = MISSING_TIME
    site = rng.choice(np.array(["north", "south", "east", None], object), rows)
    worn, noise = (rng.random(rows) < 0.3).astype(float), rng.normal(size=rows)
    columns = [torque, worn, opened.astype(np.int64), site, np.full(rows, 7.0), noise]
    return Table(Schema(FIELDS), dict(zip([field.name for field in FIELDS], columns, strict=True)))


def signal(table: Table) -> np.ndarray:
    site = np.array([{"north": 1.0, "south": -1.0}.get(name, 0.0) for name in table["site"]])
    return np.nan_to_num(table["torque"] - 40) / 10 + 2 * table["worn"] + site


def linear_member(frame: Frame, matrix: np.ndarray, outputs: int) -> Member:
    rng = np.random.default_rng(9)
    width = matrix.shape[1]
    numbers = np.array([place for place in range(width) if place not in frame.categories])
    tables = tuple(
        CategoryTable(place, first, rng.normal(size=(size + 1, outputs)))
        for place, (first, size) in frame.categories.items()
    )
    nothing = np.zeros((width, outputs))
    shell = LinearModel(
        width,
        numbers,
        np.nanmean(matrix[:, numbers], axis=0).astype(float),
        np.nanstd(matrix[:, numbers], axis=0).astype(float) + 1e-9,
        rng.normal(size=(len(numbers), outputs)),
        rng.normal(size=(len(numbers), outputs)),
        tables,
        rng.normal(size=outputs),
        nothing,
    )
    center = shell.contributions(matrix).mean(axis=0)
    model = LinearModel(*(getattr(shell, name) for name in LinearModel.__slots__[:-1]), center)
    return Member("linear", "linear", 0.3, frame.sources, linear=model)


def boosted_member(frame: Frame, matrix: np.ndarray, y: np.ndarray, task: str, encoded: bool) -> Member:
    (place,) = frame.texts
    encodings: tuple[TargetEncoding, ...] = ()
    if encoded:
        encodings = (
            fit_encoding(place, "site", matrix[:, place], y[:, None].astype(float), slots=frame.texts[place].slots),
        )
    extra = [encoding.apply(matrix[:, encoding.feature]) for encoding in encodings]
    features = np.concatenate([matrix, *extra], axis=1)
    parameters = {"objective": task, "verbose": -1, "num_threads": 1, "num_leaves": 15}
    if task == "multiclass":
        parameters["num_class"] = 3
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, y), 25)
    name = "gbm encoded" if encoded else "gbm"
    return Member(name, "gbm", 0.35, (*frame.sources, *["site"] * len(extra)), encodings, from_lightgbm(booster))


@pytest.fixture(scope="session")
def pipelines() -> dict[str, FittedPipeline]:
    """One fitted pipeline per task."""
    table = make_table(800)
    frame = fit_frame(table)
    matrix, score = frame.apply(table.columns), signal(table)
    classes: dict[str, tuple[Any, ...] | None] = {
        "binary": (0, 1),
        "multiclass": ("high", "low", "middle"),
        "regression": None,
    }
    made = {}
    for task, labels in classes.items():
        y = {"binary": score > 1, "multiclass": np.digitize(score, [-0.5, 1]), "regression": score}[task].astype(float)
        outputs = 3 if task == "multiclass" else 1
        members = (
            boosted_member(frame, matrix, y, task, True),
            boosted_member(frame, matrix, y, task, False),
            linear_member(frame, matrix, outputs),
        )
        made[task] = FittedPipeline(
            frame=frame,
            task=task,
            members=members,
            calibration=Calibration(1.3, np.linspace(-0.5, 0.5, outputs) if outputs > 1 else np.array([0.25])),
            classes=labels,
            class_type={"binary": "integer", "multiclass": "text", "regression": None}[task],
            interval=PredictionInterval(-1.0, 1.0, 0.9) if task == "regression" else None,
        )
    return made


@pytest.fixture
def rows() -> Callable[..., Table]:
    """Fresh rows of the same kind of table."""
    return lambda count=60, seed=1: make_table(count, seed)


@pytest.fixture
def hostile() -> Table:
    """Missing everywhere, unseen categories, infinities, times before 1970."""
    columns = {
        "torque": np.array([np.nan, np.inf, -np.inf, 1e300, 0.0]),
        "worn": np.array([np.nan, 1.0, 0.0, -5.0, 1.0]),
        "opened": np.array([MISSING_TIME, -(10**15), 0, 4 * 10**15, 1], np.int64),
        "site": np.array([None, "never seen", "north", "", "nörth <b>"], object),
        "constant": np.array([7.0, 7.0, np.nan, 8.0, 7.0]),
        "noise": np.array([np.nan, 0.0, 1.0, -np.inf, 2.0]),
    }
    return Table(Schema(FIELDS), columns)
