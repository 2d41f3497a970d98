"""One AutoML system on one cell, run by that system's own interpreter: fit, predict, measure.

Peers need pandas and pyarrow, Flyball reads by Polars.

    python _automl_system.py SYSTEM FOLDER SECONDS

FOLDER holds train.parquet (with the target "__y"), test.parquet and task.txt; answer.npz and a JSON line come out.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
THREADS = 2
PROBED = 60  # single rows


class LightGBMDefault:
    """LightGBM as it comes, with pandas' categories for texts."""

    modules = ("lightgbm",)

    def fit(self, rows: Any, y: Any, task: str, seconds: float) -> None:
        import lightgbm

        self.levels = {
            name: sorted(rows[name].dropna().unique()) for name in rows if rows[name].dtype.kind not in "iufbM"
        }
        kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
        self.model = kind(n_jobs=THREADS, random_state=0, verbose=-1).fit(self.prepared(rows), y)

    def prepared(self, rows: Any) -> Any:
        import pandas as pd

        rows = rows.copy(deep=False)
        for name in rows:
            if rows[name].dtype.kind == "M":
                rows[name] = rows[name].astype("int64")
        for name, levels in self.levels.items():
            rows[name] = pd.Categorical(rows[name], categories=levels)
        return rows

    def answer(self, rows: Any, task: str) -> Any:
        rows = self.prepared(rows)
        return self.model.predict(rows) if task == "regression" else self.model.predict_proba(rows)

    def save(self, folder: Path) -> None:
        (folder / "model.pkl").write_bytes(pickle.dumps(self.model))


class Flaml:
    """FLAML's AutoML object."""

    modules = ("flaml.automl",)
    metrics = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}  # noqa: RUF012

    def fit(self, rows: Any, y: Any, task: str, seconds: float) -> None:
        from flaml import AutoML

        self.model = AutoML()
        kind = "regression" if task == "regression" else "classification"
        self.model.fit(
            rows, y, task=kind, time_budget=seconds, metric=self.metrics[task], n_jobs=THREADS, seed=0, verbose=0
        )

    def answer(self, rows: Any, task: str) -> Any:
        return self.model.predict(rows) if task == "regression" else self.model.predict_proba(rows)

    def save(self, folder: Path) -> None:
        (folder / "model.pkl").write_bytes(pickle.dumps(self.model))


class AutoGluon:
    """AutoGluon's tabular predictor under a preset."""

    modules = ("autogluon.tabular",)
    metrics = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "root_mean_squared_error"}  # noqa: RUF012

    def __init__(self, preset: str) -> None:
        self.preset = preset

    def fit(self, rows: Any, y: Any, task: str, seconds: float) -> None:
        from autogluon.tabular import TabularPredictor

        table = rows.copy()
        table["__y"] = y.to_numpy()
        self.model = TabularPredictor(
            "__y",
            path=tempfile.mkdtemp(prefix="autogluon-"),
            verbosity=0,
            problem_type=task,
            eval_metric=self.metrics[task],
        )
        self.model.fit(table, presets=self.preset, time_limit=seconds, num_cpus=THREADS, num_gpus=0)

    def answer(self, rows: Any, task: str) -> Any:
        if task == "regression":
            return self.model.predict(rows).to_numpy()
        return self.model.predict_proba(rows).to_numpy()

    def save(self, folder: Path) -> None:
        self.model.clone_for_deployment(str(folder / "autogluon"), dirs_exist_ok=True)

    def warm(self) -> None:
        self.model.persist()


class Flyball:
    """The estimator, judged by its exported bundle: what is timed ends with the verified export."""

    modules = ("flyball.automl", "lightgbm", "onnxruntime", "scipy.optimize", "polars")
    metrics = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}  # noqa: RUF012

    def fit(self, rows: Any, y: Any, task: str, seconds: float) -> None:
        from flyball.automl import AutoClassifier, AutoRegressor

        kind = AutoRegressor if task == "regression" else AutoClassifier
        self.model = kind(budget=seconds, metric=self.metrics[task], random_state=0).fit(rows, y)
        self.folder = Path(tempfile.mkdtemp(prefix="flyball-automl-")) / "bundle"
        self.model.export(self.folder)

    def answer(self, rows: Any, task: str) -> Any:
        return self.model.predict(rows) if task == "regression" else self.model.predict_proba(rows)

    def save(self, folder: Path) -> None:
        self.folder.rename(folder / "bundle")


SYSTEMS = {
    "lightgbm default": LightGBMDefault,
    "flaml": Flaml,
    "autogluon medium": lambda: AutoGluon("medium_quality"),
    "autogluon good": lambda: AutoGluon("good_quality"),
    "flyball": Flyball,
}
PACKAGES = {"lightgbm default": "lightgbm", "flaml": "flaml", "autogluon medium": "autogluon.tabular",
            "autogluon good": "autogluon.tabular", "flyball": "flyball"}  # fmt: skip


class Memory(threading.Thread):
    """The most memory that this process and its children had together, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, sum(_resident(process) for process in _family(os.getpid())))
            time.sleep(0.1)


def _family(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, new = {root}, {root}
    while new:
        new = {process for process, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found)


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def main(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Fit, answer the test rows, and measure."""
    import importlib
    from importlib.metadata import version

    import numpy as np

    train, test, y = _pandas(folder) if name != "flyball" else _polars(folder)
    task = (folder / "task.txt").read_text().strip()
    system = SYSTEMS[name]()  # type: ignore[operator]
    for module in system.modules:
        importlib.import_module(module)
    memory = Memory()
    memory.start()
    began = time.perf_counter()
    system.fit(train, y, task, seconds)
    found: dict[str, Any] = {"fit_s": round(time.perf_counter() - began, 2), "peak_mb": round(memory.peak / 1e6)}
    if hasattr(system, "warm"):
        system.warm()
    np.savez(folder / "answer.npz", answer=np.asarray(system.answer(test, task), dtype=np.float64))
    times = []
    for row in range(min(PROBED, len(test))):
        one = test.iloc[[row]] if name != "flyball" else test[row]
        began = time.perf_counter()
        system.answer(one, task)
        times.append(time.perf_counter() - began)
    found["row_ms"] = round(float(np.median(times[2:] or times)) * 1e3, 4)
    with tempfile.TemporaryDirectory() as place:
        system.save(Path(place))
        files = [file for file in Path(place).rglob("*") if file.is_file()]
        found["size_mb"] = round(sum(file.stat().st_size for file in files) / 1e6, 3)
        graphs = [file for file in files if file.name == "model.onnx"]
        if graphs:
            found["graph_row_ms"] = _graph_row_ms(graphs[0].parent, test)
    return {**found, "version": version(PACKAGES[name]), "python": sys.version.split()[0]}


def _pandas(folder: Path) -> tuple[Any, Any, Any]:
    """LightGBM refuses names such as "Torque [Nm]", and FLAML hands them to it: the peers get plain ones."""
    import pandas as pd

    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    y = train.pop("__y")
    plain = {name: f"{re.sub('[^A-Za-z0-9_]+', '_', name)}_{number}" for number, name in enumerate(train)}
    return train.rename(columns=plain), test.rename(columns=plain), y


def _polars(folder: Path) -> tuple[Any, Any, Any]:
    import polars as pl

    train, test = (pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    return train.drop("__y"), test, train["__y"].to_numpy()


def _graph_row_ms(bundle: Path, test: Any) -> float:
    """One row through the opened bundle, as a server or a device scores it: from raw values to the answer.

    A model that looks back goes by a session.
    """
    import numpy as np

    from flyball_runtime import open_bundle

    opened = open_bundle(bundle)
    score = opened.session().push if opened.windowed is not None else opened.score
    rows = [{column: [test[column][row]] for column in test.columns} for row in range(min(PROBED, len(test)))]
    times = []
    for row in rows:
        began = time.perf_counter()
        score(row)
        times.append(time.perf_counter() - began)
    return round(float(np.median(times[2:] or times)) * 1e3, 4)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))
