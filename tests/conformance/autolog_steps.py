"""What people type: autolog with scikit-learn, LightGBM and XGBoost, log_model, load_model, register_model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from pair import Pair

__all__ = ["steps"]

# What the client finds out about the machine and the moment, not about the server.
_OF_THE_MOMENT = ("mlflow.log-model.history", "mlflow.source.name", "mlflow.user", "mlflow.runName")
_PINNED = ["numpy"]


def steps(pair: Pair) -> None:
    x, y = _table()
    for name, train in (("sklearn", _sklearn), ("lightgbm", _lightgbm), ("xgboost", _xgboost)):
        pair.fluent(f"autolog {name}", _autologged, name, train, x, y)
    pair.fluent("log_model, load_model", _by_hand, x, y)
    pair.fluent("register_model", _registered)
    pair.fluent("load by alias", _loaded_by_alias, x)
    pair.fluent("logged models", _logged)


def _table() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    x = pd.DataFrame(rng.normal(size=(120, 4)), columns=[f"x{i}" for i in range(4)])
    return x, (x["x0"] + 0.3 * x["x1"] > 0).astype(int)


def _sklearn(x: Any, y: Any) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(x, y)


def _lightgbm(x: Any, y: Any) -> None:
    import lightgbm

    data = lightgbm.Dataset(x, y)
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
    lightgbm.train(parameters, data, 4, valid_sets=[data])


def _xgboost(x: Any, y: Any) -> None:
    import xgboost

    data = xgboost.DMatrix(x, y)
    xgboost.train(
        {"objective": "binary:logistic", "nthread": 1, "seed": 1}, data, 4, evals=[(data, "train")], verbose_eval=False
    )


def _autologged(name: str, train: Callable[[Any, Any], None], x: Any, y: Any) -> Any:
    mlflow.set_experiment(f"auto {name}")
    flavor = getattr(mlflow, name)
    flavor.autolog(silent=True)
    try:
        with mlflow.start_run(run_name=name):
            train(x, y)
    finally:
        flavor.autolog(disable=True, silent=True)
    runs = mlflow.search_runs(experiment_names=[f"auto {name}"], output_format="list", order_by=["attributes.run_name"])
    return sorted((_told(run) for run in runs), key=lambda told: sorted(told["params"].items()))


def _told(run: Any) -> dict[str, Any]:
    """A run without what differs from second to second; its files by name."""
    client = mlflow.MlflowClient()
    tags = {key: value for key, value in run.data.tags.items() if key not in _OF_THE_MOMENT}
    metrics = {key: value for key, value in run.data.metrics.items() if "_time" not in key}
    inputs = [
        (one.dataset.name, one.dataset.digest, [tag.value for tag in one.tags]) for one in run.inputs.dataset_inputs
    ]
    models = [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    models.sort(key=lambda one: one.name)  # neither server promises an order: the ids are random
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in metrics}
    return {
        "status": run.info.status,
        "metrics": metrics,
        "params": run.data.params,
        "tags": tags,
        "inputs": sorted(inputs),
        "files": _files(client, run.info.run_id, None),
        "models": [
            (one.name, str(one.status), one.params, len(one.metrics or []), _model_files(one)) for one in models
        ],
        "history": {key: [(point.value, point.step) for point in points] for key, points in histories.items()},
    }


def _files(client: Any, run: str, path: str | None) -> list[str]:
    found: list[str] = []
    for one in client.list_artifacts(run, path):
        found += _files(client, run, one.path) if one.is_dir else [one.path]
    return sorted(found)


def _model_files(model: Any) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(mlflow.artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=folder))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def _by_hand(x: Any, y: Any) -> Any:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(x, y)
    mlflow.set_experiment("by hand")
    with mlflow.start_run(run_name="hand") as run:
        info = mlflow.sklearn.log_model(
            model, name="lin", signature=infer_signature(x, model.predict(x)), input_example=x.head(2),
            pip_requirements=_PINNED, registered_model_name="lin-reg",
        )  # fmt: skip
        mlflow.log_metric("test_recall", 0.7)
    loaded = mlflow.pyfunc.load_model(info.model_uri)
    own = mlflow.sklearn.load_model(info.model_uri)
    client = mlflow.MlflowClient()
    return {
        "same": bool(np.allclose(loaded.predict(x), model.predict(x)) and np.allclose(own.coef_, model.coef_)),
        "version": client.get_model_version("lin-reg", info.registered_model_version),
        "run": _told(client.get_run(run.info.run_id)),
    }


def _registered() -> Any:
    client = mlflow.MlflowClient()
    run = mlflow.search_runs(experiment_names=["by hand"], output_format="list")[0]
    version = mlflow.register_model(f"runs:/{run.info.run_id}/lin", "lin-reg", tags={"by": "hand"})
    client.set_registered_model_alias("lin-reg", "champion", version.version)
    return [version, client.get_registered_model("lin-reg"), client.search_model_versions("name = 'lin-reg'")]


def _loaded_by_alias(x: Any) -> Any:
    one = mlflow.pyfunc.load_model("models:/lin-reg@champion").predict(x)
    two = mlflow.pyfunc.load_model("models:/lin-reg/1").predict(x)
    return [bool(np.allclose(one, two)), len(one), sorted(mlflow.models.get_model_info("models:/lin-reg/1").flavors)]


def _logged() -> Any:
    experiment = mlflow.get_experiment_by_name("by hand")
    found = mlflow.search_logged_models([experiment.experiment_id], output_format="list")
    return [
        (model.name, str(model.status), model.tags.get("mlflow.modelVersions"), model.model_type) for model in found
    ]
