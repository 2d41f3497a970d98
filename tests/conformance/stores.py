"""What two stores hold, compared entity by entity through the unmodified client; ids and times must be equal too.

`python stores.py fill URI` writes one with everything that is kept; `python stores.py compare THEIRS OURS` reads both;
`python stores.py many URI RUNS` writes many runs of 20 metrics.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", GIT_PYTHON_REFRESH="quiet",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true", OMP_NUM_THREADS="1", TQDM_DISABLE="1", MLFLOW_ALLOW_FILE_STORE="true",
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
)  # fmt: skip
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
import pair  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import (  # noqa: E402
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.utils.file_utils import local_file_uri_to_path  # noqa: E402

pair._LEAST_TIME = 2**62  # times are compared here
_PLACES = ("artifact_location", "artifact_uri", "source", "storage_location", "root_uri")


def fill(uri: str) -> None:
    """Everything that a store keeps of experiments, runs, logged models and registered models."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(uri, registry_uri=uri)
    north = client.create_experiment("north", tags={"team": "ünï", "empty": ""})
    gone = client.create_experiment("gone")
    made = _runs(client, north)
    client.create_run(gone, run_name="in the gone one")
    client.delete_experiment(gone)
    _logged(client, north, made)
    _registered(client, made)
    _trained(uri)


def _runs(client: MlflowClient, experiment: str) -> list[Any]:
    parent = client.create_run(
        experiment, start_time=1_700_000_000_000, run_name="parent", tags={"a b": "x\ny", "ü/1": "ö"}
    )
    child = client.create_run(experiment, run_name="child", tags={"mlflow.parentRunId": parent.info.run_id})
    for step, value in enumerate((0.5, float("nan"), float("inf"), float("-inf"), -0.0, 1e-300, 3.0)):
        client.log_metric(child.info.run_id, "loss/train", value, timestamp=1000 + step, step=step * 10 - 20)
    client.log_metric(child.info.run_id, "late", 1.0, timestamp=5, step=3)
    client.log_metric(child.info.run_id, "late", 2.0, timestamp=4, step=3)
    many = [Metric(f"m{number % 7}", number / 3, 10**12 + number, number // 7) for number in range(900)]
    client.log_batch(child.info.run_id, many, [Param("depth", "3"), Param("text", "ü" * 500)], [RunTag("kind", "")])
    data = [
        DatasetInput(Dataset("plant", "abc", "local", '{"uri": 1}', "cols", "rows"), [InputTag("mlflow.data.context", "x")]),
        DatasetInput(Dataset("plant", "def", "http", "{}", None, None), []),
    ]  # fmt: skip
    client.log_inputs(child.info.run_id, data)
    client.log_text(child.info.run_id, "weights", "model/weights.txt")
    client.log_text(child.info.run_id, "", "model/empty")
    client.log_text(child.info.run_id, "ü", "folder one/two/ä name.txt")
    client.set_terminated(child.info.run_id, "FAILED", end_time=1_700_000_000_999)
    killed = client.create_run(experiment, run_name="killed")
    client.set_terminated(killed.info.run_id, "KILLED")
    dropped = client.create_run(experiment, run_name="dropped")
    client.log_metric(dropped.info.run_id, "x", 1.0)
    client.delete_run(dropped.info.run_id)
    return [client.get_run(run.info.run_id) for run in (parent, child, killed, dropped)]


def _logged(client: MlflowClient, experiment: str, made: list[Any]) -> None:
    source = client.create_run(experiment, run_name="with a model")
    model = client.create_logged_model(
        experiment,
        name="net",
        source_run_id=source.info.run_id,
        tags={"t": "1"},
        params={"p": "x" * 600},
        model_type="cls",
    )
    for step in range(3):
        client.log_metric(
            source.info.run_id, "acc", step / 4, timestamp=7 + step, step=step, model_id=model.model_id, dataset_name="d",
            dataset_digest="1",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLmodel").write_text("flavors: {}\n")
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(source.info.run_id, [LoggedModelOutput(model.model_id, 4)])
    client.log_inputs(made[0].info.run_id, models=[LoggedModelInput(model.model_id)])
    client.create_logged_model(experiment, name="pending", source_run_id=made[0].info.run_id)


def _registered(client: MlflowClient, made: list[Any]) -> None:
    child = made[1]
    client.create_registered_model("press", {"a": "1", "b": ""}, "what it is")
    client.create_registered_model("späß & more", None, None)
    source = f"{child.info.artifact_uri}/model"
    for number in range(1, 5):
        client.create_model_version(
            "press", source, child.info.run_id, {"n": str(number)}, description=f"words {number}"
        )
    client.create_model_version("späß & more", "s3://bucket/model", None, run_link="http://x/y")
    client.delete_model_version("press", "2")
    client.transition_model_version_stage("press", "1", "Production")
    client.transition_model_version_stage("press", "3", "Staging")
    client.set_registered_model_alias("press", "champion", "3")
    client.set_registered_model_alias("press", "next", "4")


def _trained(uri: str) -> None:
    """What a training with autologging leaves."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    mlflow.set_experiment("trained")
    mlflow.sklearn.autolog(registered_model_name="iris", log_input_examples=False, silent=True)
    rows, labels = load_iris(return_X_y=True)
    with mlflow.start_run(run_name="iris"):
        LogisticRegression(max_iter=50).fit(rows, labels)


def many(uri: str, runs: int) -> None:
    """Many runs, each with 20 metrics, 5 parameters and 3 tags, by batches."""
    client = MlflowClient(uri)
    home = client.create_experiment("many")
    for number in range(runs):
        run = client.create_run(home, run_name=f"run {number}")
        points = [Metric(f"metric{key}", number + key / 100, 10**12 + number, 0) for key in range(20)]
        params = [Param(f"param{key}", str(number * key)) for key in range(5)]
        client.log_batch(run.info.run_id, points, params, [RunTag(f"tag{key}", "x") for key in range(3)])
        client.set_terminated(run.info.run_id)


def held(uri: str) -> dict[str, Any]:
    """Everything that a store answers, by what it is."""
    client = MlflowClient(uri, registry_uri=uri)
    found: dict[str, Any] = {}
    experiments = _all(client.search_experiments, view_type=ViewType.ALL)
    ids = [experiment.experiment_id for experiment in experiments]
    found |= {f"experiment {one.experiment_id}": one for one in experiments}
    for run in _all(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL):
        name = run.info.run_id
        found[f"run {name}"] = client.get_run(name)  # a search leaves out some of what a run read
        for key in run.data.metrics:
            history = client.get_metric_history(name, key)
            found[f"history {name} {key}"] = [(point.timestamp, point.step, point.value) for point in history]
        found |= {f"file {name} {path}": content for path, content in _files(client, name).items()}
    for model in _all(client.search_logged_models, experiment_ids=ids):
        found[f"logged {model.model_id}"] = client.get_logged_model(model.model_id)
        artifacts = client.list_logged_model_artifacts(model.model_id)
        found[f"listing {model.model_id}"] = sorted((one.path, one.file_size) for one in artifacts)
    for model in _all(client.search_registered_models):
        found[f"registered {model.name}"] = client.get_registered_model(model.name)
        for alias in model.aliases:
            found[f"alias {model.name} {alias}"] = client.get_model_version_by_alias(model.name, alias)
    for version in _all(client.search_model_versions):
        found[f"version {version.name} {version.version}"] = client.get_model_version(version.name, version.version)
    return found


def _all(search: Any, **named: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = search(**named, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _files(client: MlflowClient, run: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    pending = [""]
    while pending:
        for one in client.list_artifacts(run, pending.pop() or None):
            if one.is_dir:
                pending.append(one.path)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    found[one.path] = Path(client.download_artifacts(run, one.path, folder)).read_bytes()
    return found


def compare(theirs: str, ours: str, kind: str = "database") -> int:
    """How many entities differ; each is shown. Places of files may differ where a store names folders of a machine.

    kind "folder": MLflow answers from a folder in its own way where it says less of a logged model (the newest point of each
    metric) and more of a registered one (the aliases of its newest versions): there, what both say is compared.
    """
    before, after = held(theirs), held(ours)
    differ = 0
    for name in sorted(before.keys() | after.keys()):
        if kind == "folder" and name.startswith("history") and name.endswith(" acc"):
            continue  # MLflow writes the step of a point that names its data into a folder, and reads 0
        sides = [_shown(side.get(name)) for side in (before, after)]
        if kind == "folder":
            sides = [_said_by_both(side) for side in sides]
        if sides[0] != sides[1]:
            differ += 1
            print(f"DIFFERS  {name}\n  theirs  {str(sides[0])[:900]}\n  ours    {str(sides[1])[:900]}")
    print(f"{len(before)} entities compared, {differ} differ")
    return differ


def _said_by_both(entity: Any) -> Any:
    if isinstance(entity, dict) and "model_type" in entity:
        newest = {point["key"]: point for point in sorted(entity["metrics"], key=lambda one: one["step"] or 0)}
        return {**entity, "metrics": newest}
    if isinstance(entity, dict) and "latest_versions" in entity:
        versions = [{**version, "aliases": None} for version in entity["latest_versions"]]
        return {**entity, "latest_versions": sorted(versions, key=repr)}
    return entity


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    return _placed(pair.plain(value))


def _placed(value: Any) -> Any:
    """The entity with what lies in a folder of a machine named by its end alone, numbers as a database keeps them, and
    lists in one order."""
    if (isinstance(value, float) and value == 0) or value in ("inf", "-inf"):
        return abs(value) if isinstance(value, float) else math.copysign(sys.float_info.max, float(value))
    if isinstance(value, dict):
        return {
            key: _place(item) if key in _PLACES and isinstance(item, str) else _placed(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return sorted((_placed(item) for item in value), key=repr)
    return value if isinstance(value, int) else value or None  # an empty text and none at all are one thing here


def _place(uri: str) -> str:
    path = local_file_uri_to_path(uri) if uri.startswith(("/", "file:")) else uri
    for mark in ("/mlruns/", "mlflow-artifacts:/"):
        if mark in path:
            return path.partition(mark)[2]
    return path


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    if name == "fill":
        fill(*rest)
    elif name == "many":
        many(rest[0], int(rest[1]))
    else:
        sys.exit(1 if compare(*rest) else 0)
