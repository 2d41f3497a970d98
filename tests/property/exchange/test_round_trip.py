"""Whatever is tracked comes back the same from an export and an import."""

from __future__ import annotations

import string
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import flyball as fb
from flyball.exchange import export_mlflow, import_mlflow
from flyball.tracking import DatasetInput, Metric, ModelLink, ModelMetric

KEYS = st.text(string.ascii_letters + string.digits + "_-. ", min_size=1, max_size=12).filter(
    lambda key: key.strip(". ") == key
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
PAIRS = st.dictionaries(KEYS, TEXTS, max_size=4)
WHOLE = st.integers(-(2**62), 2**62)
POINTS = st.lists(
    st.builds(Metric, KEYS, st.floats(), st.integers(0, 2**53), WHOLE), max_size=12, unique_by=lambda point: point[:1] + point[2:]
)  # fmt: skip
DATA = st.lists(
    st.builds(DatasetInput, KEYS, KEYS, KEYS, TEXTS, st.none() | TEXTS, st.none() | TEXTS, PAIRS),
    max_size=3, unique_by=lambda one: (one.name, one.digest),
)  # fmt: skip
RUNS = st.lists(
    st.fixed_dictionaries({
        "name": TEXTS.filter(bool), "tags": PAIRS, "params": PAIRS, "points": POINTS, "data": DATA, "files": st.dictionaries(
            st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}\.txt)", fullmatch=True), st.binary(max_size=50), max_size=3
        ),
        "status": st.sampled_from(("RUNNING", "FINISHED", "FAILED", "KILLED")), "ended": st.none() | st.integers(0, 2**45),
        "deleted": st.booleans(), "model": st.booleans(),
    }),
    min_size=1, max_size=4,
)  # fmt: skip


# An example makes two projects: to shrink one would take minutes.
@settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)
@given(experiment=TEXTS.filter(bool), tags=PAIRS, content=RUNS)
def test_what_was_tracked_comes_back_the_same(
    experiment: str, tags: dict[str, str], content: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first, second = _project(folder / "first"), _project(folder / "second")
        _fill(first, experiment, tags, content)
        export_mlflow(first, folder / "out")
        imported = import_mlflow(second, folder / "out" / "mlflow.db", artifacts=[folder / "out" / "artifacts"])
        assert imported.clashes == ()
        before, after = _held(first), _held(second)
        for name in before.keys() | after.keys():
            assert after.get(name) == before.get(name), name
        assert import_mlflow(second, folder / "out" / "mlflow.db").entry is None
        for project in (first, second):
            project.close()


def _project(folder: Path) -> fb.Project:
    folder.mkdir()
    (folder / "flyball.toml").write_text('[project]\nname = "team"\n')
    return fb.open(folder)


def _fill(project: fb.Project, experiment: str, tags: dict[str, str], content: list[dict[str, Any]]) -> None:
    tracking = project.tracking
    home = 0 if experiment == "Default" else tracking.experiments.create(experiment, tags=tags)
    for number, one in enumerate(content):
        run = tracking.runs.create(home, name=one["name"], user="ada", started=1000 + number, tags=one["tags"])
        tracking.runs.log(run.id, metrics=one["points"], params=one["params"])
        links = []
        if one["model"]:
            model = tracking.models.create(
                home, name="net", run=run.id, kind="cls", params=one["params"], tags=one["tags"]
            )
            tracking.models.add_metrics({model.id: [ModelMetric("acc", 0.5, 5, number, run.id, "d", None)]})
            links = [ModelLink("output", model.id, number)]
        tracking.runs.log_inputs(run.id, one["data"], links)
        for path, body in one["files"].items():
            tracking.files.put(f"{home}/{run.id}/artifacts/{path}", body)
        tracking.runs.update(run.id, status=one["status"], ended=one["ended"])
        if one["deleted"]:
            tracking.runs.delete(run.id)


def _held(project: fb.Project) -> dict[str, Any]:
    """Everything tracked, NaN as a text, without the numbers that each store gives."""
    tracking, found = project.tracking, {}
    for home in tracking.experiments.search(stages=("active", "deleted")).items:
        found[f"experiment {home.id}"] = (home, sorted(home.tags.items()))
    for run in tracking.runs.search(stages=("active", "deleted")).items:
        points = {key: repr(tracking.runs.history(run.id, key)[0]) for key in {metric.key for metric in run.metrics}}
        inputs = sorted(repr(replace(one, tags=dict(sorted(one.tags.items())))) for one in run.inputs)
        found[f"run {run.id}"] = (
            run.experiment, run.name, run.user, run.status, run.stage, run.location, run.started, run.ended,
            sorted(map(repr, run.metrics)), dict(run.params), dict(run.tags), points, inputs, run.links,
        )  # fmt: skip
        files = tracking.files.walk(run.location.partition(":/")[2])
        found[f"files {run.id}"] = {path: entry.digest for path, entry in files.items()}
    for model in tracking.models.search([home.id for home in tracking.experiments.search().items]).items:
        found[f"model {model.id}"] = (model.name, model.type, model.run, model.status, model.created, model.updated,
                                      dict(model.params), dict(model.tags), model.metrics, model.location)  # fmt: skip
    return found
