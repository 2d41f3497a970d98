"""What tracking keeps, and what it refuses."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from flyball.registry import Registry
from flyball.store import ArtifactCorrupt, Database
from flyball.testing.registries import SteppingClock, open_registry
from flyball.tracking import (
    DatasetInput,
    Metric,
    ModelLink,
    PathRefused,
    Tracking,
    TrackingDeleted,
    TrackingExists,
    TrackingInvalid,
    TrackingUnknown,
)
from support.stores import Store


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    opened = open_registry(store.folder, store=store.url)
    yield opened
    opened.database.close()


@pytest.fixture
def tracking(registry: Registry) -> Tracking:
    return Tracking(registry.database, registry.artifacts, registry.ledger)


def test_the_latest_point_is_that_of_the_highest_step_then_time_then_value(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    points = [Metric("auc", 0.5, 9, 1), Metric("auc", 0.7, 1, 2), Metric("auc", 0.6, 3, 2), Metric("auc", 0.65, 3, 2)]
    for point in points:
        tracking.runs.log(run, metrics=[point])
    assert tracking.runs.get(run).metrics == (Metric("auc", 0.65, 3, 2),)
    tracking.runs.log(run, metrics=reversed(points))
    history, following = tracking.runs.history(run, "auc")
    assert history == [points[1], points[2], points[3], points[0]]
    assert following is None


def test_a_point_that_is_sent_twice_is_kept_once_nan_too(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    for _ in range(3):
        tracking.runs.log(run, metrics=[Metric("m", math.nan, 1, 0), Metric("m", math.inf, 1, 0)])
    assert len(tracking.runs.history(run, "m")[0]) == 2


def test_a_long_history_is_sampled_evenly_with_both_ends(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    tracking.runs.log(run, metrics=[Metric("m", step / 2, step, step) for step in range(1000)])
    found = [point.step for point in tracking.runs.sampled(run, "m", 11)]
    assert (found[0], found[-1], len(found)) == (0, 999, 11)
    gaps = [after - before for before, after in pairwise(found)]
    assert max(gaps) - min(gaps) <= 1
    assert [point.step for point in tracking.runs.sampled(run, "m", 500, steps=(10, 12))] == [10, 11, 12]


def test_a_parameter_is_said_once_and_a_refused_batch_leaves_nothing(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    tracking.runs.log(run, params={"depth": "3"})
    tracking.runs.log(run, params={"depth": "3", "rate": "0.1"})
    with pytest.raises(TrackingInvalid, match="depth"):
        tracking.runs.log(run, metrics=[Metric("m", 1.0, 1, 1)], params={"depth": "4"}, tags={"t": "1"})
    found = tracking.runs.get(run)
    assert (found.params, found.metrics) == ({"depth": "3", "rate": "0.1"}, ())
    assert "t" not in found.tags


def test_what_is_deleted_takes_nothing_in_until_it_is_restored(tracking: Tracking) -> None:
    experiment = tracking.experiments.create("short")
    run = tracking.runs.create(experiment).id
    tracking.experiments.delete(experiment)
    for refused in (lambda: tracking.runs.log(run, tags={"a": "b"}), lambda: tracking.runs.create(experiment)):
        with pytest.raises(TrackingDeleted):
            refused()
    with pytest.raises(TrackingExists):
        tracking.experiments.create("short")
    tracking.experiments.restore(experiment)
    tracking.runs.log(run, tags={"a": "b"})


def test_inputs_and_models_are_read_back_with_the_run(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    data = DatasetInput("rows", "abc", "local", "rows.csv", None, None, {"mlflow.data.context": "training"})
    model = tracking.models.create(0, name="tree", run=run)
    tracking.runs.log_inputs(run, [data, data], [ModelLink("output", model.id, 3)])
    tracking.runs.log_inputs(run, [data])
    found = tracking.runs.get(run)
    assert (found.inputs, found.links) == ((data,), (ModelLink("output", model.id, 3),))
    assert [one.id for one in tracking.runs.search("datasets.context = 'training'").items] == [run]


def test_a_query_reaches_over_experiments(tracking: Tracking) -> None:
    for name in ("north", "south"):
        number = tracking.experiments.create(name)
        tracking.runs.log(tracking.runs.create(number, name=name).id, metrics=[Metric("auc", 0.8, 1, 0)])
    assert len(tracking.runs.search("metrics.auc > 0.7").items) == 2
    assert [run.name for run in tracking.runs.search("experiment.name = 'south'").items] == ["south"]


def test_a_run_that_ended_is_bound_in_the_ledger_and_again_when_it_goes_on(
    tracking: Tracking, registry: Registry
) -> None:
    run = tracking.runs.create(0, user="ada").id
    tracking.runs.log(run, metrics=[Metric("m", 1.0, 1, 1)])
    assert tracking.bind() == 0
    tracking.runs.update(run, status="FINISHED", ended=5)
    assert (tracking.bind(), tracking.bind()) == (1, 0)
    tracking.runs.update(run, status="RUNNING")
    tracking.runs.log(run, metrics=[Metric("m", 2.0, 2, 2)])
    tracking.runs.update(run, status="FAILED")
    assert tracking.bind() == 1
    first, second = registry.ledger.entries(what="run.tracked")
    assert (first.subject, first.actor.id, first.why, second.why) == (run, "ada", "FINISHED", "FAILED")
    assert first.binds["run"] != second.binds["run"]
    assert registry.verify().ok


def test_the_digest_of_a_run_covers_every_point(tracking: Tracking, registry: Registry) -> None:
    made = []
    for value in (1.0, 1.0, 1.5):
        run = tracking.runs.create(0, started=1, run_id=f"r{len(made)}").id
        tracking.runs.log(run, metrics=[Metric("m", value, 1, 1)])
        tracking.runs.update(run, status="FINISHED", ended=5)
        tracking.bind()
        made.append(registry.ledger.entries(what="run.tracked")[-1].binds["run"])
    assert len(set(made)) == 3  # the ids differ; the value alone must as well
    tracking.runs.create(0, started=1, run_id="r0")
    assert len(tracking.runs.search(limit=10).items) == 3


def test_equal_files_are_one_blob_and_a_path_is_replaced_whole(tracking: Tracking, registry: Registry) -> None:
    content = bytes(range(256)) * 9000
    tracking.files.put("0/r/artifacts/a/b.bin", io.BytesIO(content))
    entry = tracking.files.put("0/r/artifacts/c.bin", content)
    assert len(list(registry.artifacts.digests())) == 1
    assert [item.name for item in tracking.files.listing("0/r/artifacts")] == ["a", "c.bin"]
    tracking.files.put("0/r/artifacts/c.bin", b"new")
    with tracking.files.open(tracking.files.find("0/r/artifacts/c.bin")) as stream:
        assert stream.read() == b"new"
    assert tracking.files.walk("0/r/artifacts")["a/b.bin"].digest == entry.digest
    tracking.files.delete("0/r/artifacts/a")
    assert list(tracking.files.walk("0/r/artifacts")) == ["c.bin"]
    for path in ("0/r/artifacts/c.bin/x", "0/r/artifacts", "../up", ""):
        with pytest.raises(PathRefused):
            tracking.files.put(path, b"")


def test_a_file_that_was_changed_on_the_disk_is_not_given_out_as_whole(tracking: Tracking, registry: Registry) -> None:
    entry = tracking.files.put("0/x", b"0" * 5000)
    path = registry.artifacts.path(str(entry.digest))  # type: ignore[attr-defined]
    path.chmod(0o644)
    path.write_bytes(b"1" * 5000)
    with tracking.files.open(entry) as stream, pytest.raises(ArtifactCorrupt):
        stream.read()


def test_writers_at_once_lose_nothing(tracking: Tracking) -> None:
    run = tracking.runs.create(0).id
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for step in range(20):
                tracking.runs.log(run, metrics=[Metric(f"m{writer}", step, step, step)], params={f"p{writer}": "1"})
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = tracking.runs.get(run)
    assert {(metric.key, metric.step) for metric in found.metrics} == {(f"m{number}", 19) for number in range(8)}
    assert all(len(tracking.runs.history(run, f"m{number}")[0]) == 20 for number in range(8))


def test_what_is_not_there_is_said_to_be_unknown(tracking: Tracking) -> None:
    for ask in (
        lambda: tracking.runs.get("nope"), lambda: tracking.runs.log("nope", tags={"a": "b"}), lambda: tracking.models.get("m-0"),
        lambda: tracking.experiments.get(77), lambda: tracking.files.find("no/such"), lambda: tracking.runs.history("nope", "m"),
    ):  # fmt: skip
        with pytest.raises(TrackingUnknown):
            ask()


def test_another_process_sees_what_was_written(tracking: Tracking, registry: Registry, store: Store) -> None:
    run = tracking.runs.create(0).id
    with Database.open(store.url, SteppingClock(), folder=store.folder) as database:
        again = Tracking(database, registry.artifacts, registry.ledger)
        assert again.runs.get(run).id == run
        assert again.experiments.get(0).name == "Default"
