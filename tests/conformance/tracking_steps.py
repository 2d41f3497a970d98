"""Experiments, runs, metrics, parameters, tags, inputs and files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from pair import Both, Pair

__all__ = ["steps"]

NAN, INF = float("nan"), float("inf")


def steps(pair: Pair) -> None:
    experiment = _experiments(pair)
    run = _runs(pair, experiment)
    _metrics(pair, run)
    _pairs(pair, run)
    _inputs(pair, experiment)
    _files(pair, run)
    _lives(pair, experiment)
    pair.fluent("fluent: nested runs", _nested)


def _experiments(pair: Pair) -> Both:
    tags = {"team": "a", "x/y": ""}
    experiment = pair.call("create experiment", lambda c: c.create_experiment("first", tags=tags))
    for name in ("first", "", "n" * 501, None, "späß/ß"):
        pair.call(f"create experiment {str(name)[:10]!r}", lambda c, name=name: c.create_experiment(name))
    pair.call("get experiment", lambda c, e: c.get_experiment(e), experiment)
    for wanted in ("12345", "abc", "0"):
        pair.call(f"get experiment {wanted}", lambda c, wanted=wanted: c.get_experiment(wanted))
    for name in ("first", "nowhere", "Default"):
        pair.call(f"experiment named {name}", lambda c, name=name: c.get_experiment_by_name(name))
    for key, value in (("k", "v"), ("k", "w"), ("bad|key", "v"), ("a/../b", "v"), ("big", "x" * 20_001)):
        pair.call(f"experiment tag {key}", lambda c, e, k=key, v=value: c.set_experiment_tag(e, k, v), experiment)
    pair.call("delete experiment tag", lambda c, e: c.delete_experiment_tag(e, "k"), experiment)
    pair.call("delete experiment tag again", lambda c, e: c.delete_experiment_tag(e, "k"), experiment)
    pair.call("rename", lambda c, e: c.rename_experiment(e, "renamed"), experiment)
    pair.call("rename to nothing", lambda c, e: c.rename_experiment(e, ""), experiment)
    pair.call("rename unknown", lambda c: c.rename_experiment("999", "x"))
    pair.call("renamed experiment", lambda c, e: c.get_experiment(e), experiment)
    pair.call(
        "own location",
        lambda c: c.get_experiment(c.create_experiment("elsewhere", "s3://bucket/prefix")).artifact_location,
    )
    return experiment


def _runs(pair: Pair, experiment: Both) -> Both:
    run = pair.call(
        "create run",
        lambda c, e: c.create_run(e, start_time=1000, tags={"a": "b", "mlflow.user": "u"}, run_name="one"),
        experiment,
    )
    run_id = run.info.run_id
    pair.call("create run, no name", lambda c: c.create_run("0", start_time=1001).info.status)
    pair.call("create run, unknown experiment", lambda c: c.create_run("4711"))
    pair.call("create run, odd experiment", lambda c: c.create_run("odd"))
    pair.call(
        "create run, two names",
        lambda c, e: c.create_run(e, run_name="x", tags={"mlflow.runName": "y"}),
        experiment,
    )
    pair.call("name by tag", lambda c, e: c.create_run(e, 5, {"mlflow.runName": "z"}).info.run_name, experiment)
    pair.call("get run", lambda c, r: c.get_run(r), run_id)
    for wanted in ("0" * 32, "nope"):
        pair.call(f"get run {wanted[:4]}", lambda c, wanted=wanted: c.get_run(wanted))
    pair.call("update run", lambda c, r: c.update_run(r, status="SCHEDULED", name="other"), run_id)
    pair.call("updated run", lambda c, r: c.get_run(r), run_id)
    pair.call("terminate", lambda c, r: c.set_terminated(r, "FINISHED", 2000), run_id)
    pair.call("terminated", lambda c, r: c.get_run(r), run_id)
    pair.call("terminate unknown", lambda c: c.set_terminated("f" * 32))
    pair.call("log to a finished run", lambda c, r: c.log_metric(r, "late", 1.0, 5, 5), run_id)
    return run_id


def _metrics(pair: Pair, run: Both) -> None:
    for key, value, time, step in (
        ("acc", 0.5, 1, 0), ("acc", 0.75, 3, 2), ("acc", 0.6, 2, 1), ("acc", 0.6, 2, 1), ("acc", 0.9, 1, 2),
        ("nan", NAN, 1, 0), ("inf", INF, 1, 0), ("neg", -INF, 1, 0), ("a b/c:d.e-f_g", 1.0, 1, 0), ("tie", 2.0, 1, 1),
        ("tie", 1.0, 1, 1), ("late nan", 1.0, 1, 0), ("late nan", NAN, 2, 0),
    ):  # fmt: skip
        pair.call(f"log metric {key}", lambda c, r, k=key, v=value, t=time, s=step: c.log_metric(r, k, v, t, s), run)
    for key in ("bad|key", "../up", "", "x" * 251, "/abs", "a//b"):
        pair.call(f"log metric {key[:5]!r}", lambda c, r, k=key: c.log_metric(r, k, 1.0, 1), run)
    pair.call("log metric, time below 0", lambda c, r: c.log_metric(r, "t", 1.0, -5), run)
    pair.call("log metric, unknown run", lambda c: c.log_metric("0" * 32, "t", 1.0, 5))
    pair.call("log metric, step below 0", lambda c, r: c.log_metric(r, "below", 1.0, 5, -3), run)
    pair.call("run with metrics", lambda c, r: c.get_run(r), run)
    for key in ("acc", "nan", "inf", "none", "tie", "late nan"):
        pair.call(f"history {key}", lambda c, r, k=key: c.get_metric_history(r, k), run)
    pair.call("history, unknown run", lambda c: c.get_metric_history("0" * 32, "acc"))
    many = [Metric("loss", i / 7, i, i) for i in range(1000)]
    pair.call("batch of 1000", lambda c, r: c.log_batch(r, metrics=many), run)
    pair.call("batch of 1000 again", lambda c, r: c.log_batch(r, metrics=many), run)
    pair.call("history of 1000", lambda c, r: c.get_metric_history(r, "loss"), run)
    pair.call("batch, all kinds", lambda c, r: c.log_batch(r, many[:5], [Param("p", "1")], [RunTag("t", "2")]), run)
    pair.call("batch of nothing", lambda c, r: c.log_batch(r), run)
    double = [Param("d", "1"), Param("d", "2")]
    pair.call("batch, a parameter twice", lambda c, r: c.log_batch(r, params=double), run)
    pair.call("batch, a bad key", lambda c, r: c.log_batch(r, metrics=[Metric("b|d", 1, 1, 1)]), run)
    after = [Metric("atomic", 1, 1, 1)]
    pair.call("batch, another value", lambda c, r: c.log_batch(r, after, [Param("p", "other")]), run)
    pair.call("after all batches", lambda c, r: sorted(c.get_run(r).data.metrics.keys() - {"atomic"}), run)


def _pairs(pair: Pair, run: Both) -> None:
    for key, value in (
        ("q", "1"),
        ("q", "1"),
        ("q", "2"),
        ("empty", ""),
        ("long", "x" * 7000),
        ("b|d", "1"),
        ("n", None),
    ):
        pair.call(f"log param {key}", lambda c, r, k=key, v=value: c.log_param(r, k, v), run)
    for key, value in (("s", "1"), ("s", "2"), ("b|d", "1"), ("long", "x" * 9000), ("mlflow.note.content", "ä\n✓")):
        pair.call(f"set tag {key}", lambda c, r, k=key, v=value: c.set_tag(r, k, v), run)
    pair.call("set the name's tag", lambda c, r: c.set_tag(r, "mlflow.runName", "third"), run)
    pair.call("delete tag", lambda c, r: c.delete_tag(r, "s"), run)
    pair.call("delete tag again", lambda c, r: c.delete_tag(r, "s"), run)
    pair.call("with params and tags", lambda c, r: c.get_run(r), run)


def _inputs(pair: Pair, experiment: Both) -> None:
    run = pair.call("run for inputs", lambda c, e: c.create_run(e, start_time=7, run_name="in"), experiment).info.run_id
    one = Dataset("data", "abc", "local", "here.csv", schema='{"a": 1}', profile='{"rows": 3}')
    two = Dataset("data", "def", "http", "https://example.com/x")
    inputs = [DatasetInput(one, [InputTag("mlflow.data.context", "training")]), DatasetInput(two, [])]
    pair.call("log inputs", lambda c, r: c.log_inputs(r, inputs), run)
    pair.call("log inputs again", lambda c, r: c.log_inputs(r, inputs), run)
    pair.call(
        "log a long digest", lambda c, r: c.log_inputs(r, [DatasetInput(Dataset("a", "x" * 40, "l", "s"), [])]), run
    )
    pair.call("run with inputs", lambda c, r: c.get_run(r), run)
    pair.call("log inputs, unknown run", lambda c: c.log_inputs("0" * 32, inputs))
    model = pair.call(
        "a logged model",
        lambda c, e, r: c.create_logged_model(e, "m", r, {"t": "1"}, {"p": "2"}, "agent"),
        experiment,
        run,
    )
    identity = model.model_id
    outputs = lambda c, r, m: c.log_outputs(r, [LoggedModelOutput(m, 3)])  # noqa: E731
    pair.call("log outputs", outputs, run, identity)
    pair.call("run with outputs", lambda c, r: c.get_run(r), run)
    pair.call("metric of a model", lambda c, r, m: c.log_metric(r, "auc", 0.5, 1, 0, model_id=m), run, identity)
    pair.call("model with a metric", lambda c, m: c.get_logged_model(m), identity)
    pair.call("finish", lambda c, m: c.finalize_logged_model(m, "READY"), identity)
    pair.call("tags of a model", lambda c, m: c.set_logged_model_tags(m, {"a": "1", "b": "2"}), identity)
    pair.call("delete a model's tag", lambda c, m: c.delete_logged_model_tag(m, "a"), identity)
    pair.call("delete a model's tag again", lambda c, m: c.delete_logged_model_tag(m, "a"), identity)
    pair.call("parameters of a model", lambda c, m: c.log_model_params(m, {"q": "3"}), identity)
    pair.call("the model then", lambda c, m: c.get_logged_model(m), identity)
    for where in (
        None, "name = 'm'", "name LIKE 'M%'", "name ILIKE 'M%'", "metrics.auc > 0.4", "metrics.auc > 0.6",
        "params.p = '2'", "tags.b = '2'", "tags.b = 'x' AND params.p = '2'", "status = 'READY' OR name = 'm'", "odd",
        "model_type = 'agent'", "creation_timestamp > 5",
    ):  # fmt: skip
        search = lambda c, e, w: c.search_logged_models([e], w)  # noqa: E731
        pair.call(f"search models {where}", search, experiment, where)
    ordered = lambda c, e: c.search_logged_models([e], order_by=[{"field_name": "metrics.auc"}])  # noqa: E731
    pair.call("search models, ordered", ordered, experiment)
    pair.call("unknown model", lambda c: c.get_logged_model("m-" + "0" * 32))
    pair.call("odd name of a model", lambda c, e: c.create_logged_model(e, "a/b"), experiment)
    pair.call("delete a model", lambda c, m: c.delete_logged_model(m), identity)
    pair.call("deleted model", lambda c, m: c.get_logged_model(m), identity)


def _files(pair: Pair, run: Both) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sub").mkdir()
        (folder / "plain.txt").write_text("hello")
        (folder / "sub" / "späß 100%.bin").write_bytes(bytes(range(256)) * 500)
        (folder / "empty").write_bytes(b"")
        pair.call("upload a file", lambda c, r: c.log_artifact(r, str(folder / "plain.txt")), run)
        (folder / "large.bin").write_bytes(bytes(range(256)) * 50_000)
        with _parts_from(6 << 20):
            pair.call("upload a large file", lambda c, r: c.log_artifact(r, str(folder / "large.bin"), "large"), run)
        (folder / "large.bin").unlink()
        pair.call("upload a folder", lambda c, r: c.log_artifacts(r, str(folder), "deep/er"), run)
    pair.call("upload a text", lambda c, r: c.log_text(r, "text ✓", "notes/t.txt"), run)
    pair.call("upload a dict", lambda c, r: c.log_dict(r, {"a": [1, 2]}, "d.json"), run)
    for path in (None, "deep", "deep/er", "deep/er/sub", "none", "d.json"):
        pair.call(f"list {path}", lambda c, r, p=path: c.list_artifacts(r, p), run)
    for path in ("../up", "/etc", "a/../../b"):
        pair.call(f"list {path}", lambda c, r, p=path: c.list_artifacts(r, p), run)
    pair.call("download", lambda c, r: _content(c, r, "deep"), run)
    pair.call("download a large file", lambda c, r: _content(c, r, "large"), run)
    pair.call("download one", lambda c, r: _content(c, r, "d.json"), run)
    pair.call("download nothing", lambda c, r: _fails(lambda: c.download_artifacts(r, "missing.txt")), run)
    pair.call("upload again", lambda c, r: c.log_text(r, "changed", "notes/t.txt"), run)
    pair.call("download what changed", lambda c, r: _content(c, r, "notes/t.txt"), run)


@contextmanager
def _parts_from(size: int) -> Iterator[None]:
    """The client sends files of this size in parts, where the server takes such."""
    asked = {
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true", "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(size),
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 << 20),
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in asked}
    os.environ.update(asked)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _lives(pair: Pair, experiment: Both) -> None:
    run = pair.call("one more run", lambda c, e: c.create_run(e, 9, run_name="gone"), experiment).info.run_id
    pair.call("delete run", lambda c, r: c.delete_run(r), run)
    pair.call("deleted run", lambda c, r: c.get_run(r).info, run)
    pair.call("log to a deleted run", lambda c, r: c.log_param(r, "a", "b"), run)
    pair.call("tag a deleted run", lambda c, r: c.set_tag(r, "a", "b"), run)
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        search = lambda c, e, v: [r.info.run_name for r in c.search_runs([e], run_view_type=v, order_by=["run_name"])]  # noqa: E731
        pair.call(f"runs in view {view}", search, experiment, view)
    pair.call("restore run", lambda c, r: c.restore_run(r), run)
    pair.call("restored run", lambda c, r: c.get_run(r).info, run)
    pair.call("delete unknown run", lambda c: c.delete_run("0" * 32))
    pair.call("delete experiment", lambda c, e: c.delete_experiment(e), experiment)
    pair.call("delete experiment again", lambda c, e: c.delete_experiment(e), experiment)
    pair.call("deleted experiment", lambda c, e: c.get_experiment(e), experiment)
    pair.call("its run", lambda c, r: c.get_run(r).info, run)
    pair.call("run in a deleted experiment", lambda c, e: c.create_run(e), experiment)
    pair.call("its name again", lambda c: c.create_experiment("renamed"))
    pair.call("rename a deleted one", lambda c, e: c.rename_experiment(e, "y"), experiment)
    pair.call("tag a deleted one", lambda c, e: c.set_experiment_tag(e, "y", "z"), experiment)
    pair.call("restore experiment", lambda c, e: c.restore_experiment(e), experiment)
    pair.call("restore experiment again", lambda c, e: c.restore_experiment(e), experiment)
    pair.call("its run again", lambda c, r: c.get_run(r).info, run)


def _nested() -> Any:
    mlflow.set_experiment("nested")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_params({"a": 1, "b": [1, 2]})
        for i in range(3):
            with mlflow.start_run(run_name=f"child {i}", nested=True):
                mlflow.log_metric("score", i / 3, step=i)
    frame = mlflow.search_runs(experiment_names=["nested"], order_by=["attributes.run_name"])
    kept = [name for name in frame.columns if name.startswith(("metrics.", "params.")) or name == "status"]
    wanted = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    children = mlflow.search_runs(experiment_names=["nested"], filter_string=wanted)
    return [frame[sorted(kept)].to_dict("records"), len(children)]


def _content(client: Any, run: str, path: str) -> dict[str, str]:
    root = Path(client.download_artifacts(run, path))
    found = sorted(root.rglob("*")) if root.is_dir() else [root]
    return {str(one.relative_to(root)): one.read_bytes().hex()[:400] for one in found if one.is_file()}


def _fails(action: Any) -> str:
    """Whether it fails: by which exception depends on how the client reads an answer that is no JSON."""
    try:
        action()
    except Exception:  # noqa: BLE001
        return "fails"
    return "works"
