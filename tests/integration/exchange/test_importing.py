"""Stores of MLflow's come whole, once, and as what they are: the word of their source."""

from __future__ import annotations

import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import flyball as fb
from flyball.exchange import (
    ArtifactsMissing,
    SchemaUnknown,
    SourceDamaged,
    SourceForeign,
    SourceUnreadable,
    import_mlflow,
)
from flyball.exchange.tracking_in import ENTRY_RUNS
from flyball.mlflow.catalog import Catalog
from flyball.project.history import served_at
from flyball.tracking import DatasetInput, ModelLink, ModelMetric, TrackingUnknown
from flyball.tracking.binding import run_digest
from flyball.tracking.removal import remove_deleted
from flyball.tracking.tables import runs
from support.mlflow_stores import (
    CHILD,
    FILES,
    GONE,
    MODEL,
    PARENT,
    T,
    change,
    database_store,
    fill,
    folder_store,
    make_older,
    schema,
)
from support.postgres import PostgresServer
from support.stores import Store

GATE = '\n[gate.production]\nroc_auc = ">= 0.8"\n'


def project_in(folder: Path, more: str = "", *, store: str | None = None) -> fb.Project:
    folder.mkdir(exist_ok=True)
    kept = f'store = "{store}"\n' if store else ""
    (folder / "flyball.toml").write_text(f'[project]\nname = "team"\n{kept}{more}')
    return fb.open(folder)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[fb.Project]:
    opened = project_in(tmp_path / "project", GATE)
    opened.tracking.experiments.ensure_default()
    yield opened
    opened.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return database_store(tmp_path / "source")


def rows(project: fb.Project) -> dict[str, list[Any]]:
    """All that an import writes, but for what tells when and by whom."""
    tables = ("tracking_experiments", "tracking_experiment_tags", "tracking_runs", "tracking_params", "tracking_tags",
              "tracking_metrics", "tracking_latest", "tracking_datasets", "tracking_inputs", "tracking_links", "tracking_models",
              "tracking_model_params", "tracking_model_tags", "tracking_model_metrics", "tracking_files", "tracking_registered",
              "tracking_registered_tags", "tracking_versions", "tracking_version_tags", "imported")  # fmt: skip
    with closing(sqlite3.connect(project.database.path)) as raw:
        found = {table: sorted(raw.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}
        found["aliases"] = raw.execute("SELECT model, alias, number FROM aliases ORDER BY 1, 2").fetchall()
        found["versions"] = raw.execute(
            "SELECT model, number, content_hash FROM model_versions ORDER BY 1, 2"
        ).fetchall()
    return found


def test_everything_of_a_database_comes_with_its_ids_and_times(store: Store, source: Path, tmp_path: Path) -> None:
    opened = project_in(tmp_path / "project", store=store.url if store.server else None)
    imported = import_mlflow(opened, source)
    assert imported.found == {"experiments": 3, "runs": 3, "points": 6, "models": 1, "registered": 2, "versions": 3}
    tracking = opened.tracking
    north = tracking.experiments.get(1)
    assert (north.name, north.created, north.updated, dict(north.tags)) == (
        "north",
        T + 1,
        T + 2,
        {"team": "ünï", "empty": ""},
    )
    shut = tracking.experiments.get(7)
    assert (shut.stage, shut.location, shut.created) == ("deleted", "s3://bucket/7", T + 3)
    assert tracking.experiments.get(0).created == T

    child = tracking.runs.get(CHILD)
    assert (child.name, child.user, child.status, child.started, child.ended) == (
        "child",
        "bob",
        "FINISHED",
        T + 11,
        T + 99,
    )
    assert child.parent == PARENT
    assert (child.params["depth"], len(child.params["long"]), child.tags["note"]) == ("3", 6000, "two\nlines")
    assert child.location == f"mlflow-artifacts:/1/{CHILD}/artifacts"
    history, _ = tracking.runs.history(CHILD, "loss/train")
    assert [(point.step, point.timestamp) for point in history] == [(0, T + 20), (1, T + 21), (2, T + 22), (-3, T + 23)]
    assert math.isnan(history[1].value)
    assert history[2].value == sys.float_info.max
    latest = {metric.key: (metric.value, metric.step) for metric in child.metrics}
    assert latest == {"loss/train": (sys.float_info.max, 2), "test_roc_auc": (0.9, 0)}
    training = {"mlflow.data.context": "training"}
    assert child.inputs == (DatasetInput("plant", "abc", "local", '{"uri": "x"}', "cols", None, training),)
    assert child.links == (ModelLink("output", MODEL, 4),)
    assert tracking.runs.get(PARENT).links == (ModelLink("input", MODEL, 0),)
    gone = tracking.runs.get(GONE)
    assert (gone.stage, gone.status, gone.location) == ("deleted", "FAILED", f"s3://bucket/7/{GONE}/artifacts")

    model = tracking.models.get(MODEL)
    assert (model.name, model.type, model.run, model.status, model.created, model.updated) == (
        "net", "cls", CHILD, 2, T + 40, T + 41
    )  # fmt: skip
    assert (dict(model.params), dict(model.tags)) == ({"p": "1"}, {"t": "2"})
    assert model.metrics == (ModelMetric("acc", 0.75, T + 42, 1, CHILD, "plant", "abc"),)
    for home in (f"1/{CHILD}/artifacts", f"1/models/{MODEL}/artifacts"):
        found = tracking.files.walk(home)
        assert {path: tracking.files.open(entry).read() for path, entry in found.items()} == FILES

    page = tracking.registered.search(None, order_by=[], limit=10, offset=0)
    press, other = page.items
    assert (press.name, press.description, press.created, press.updated) == ("press", "what it is", T + 60, T + 70)
    assert other.name == "späß"
    with opened.database.read() as reader:
        versions = tracking.registered.versions(reader, page.items)
    assert [(one.name, one.version, one.created, one.updated, one.stage) for one in versions] == [
        ("press", 1, T + 62, T + 63, "Production"), ("press", 3, T + 66, T + 66, "None"),
        ("späß", 1, T + 67, T + 67, "None"),
    ]  # fmt: skip
    assert versions[1].source == f"models:/{MODEL}"
    assert {now.alias: now.number for now in opened.registry.aliases("press")} == {"champion": 3, "production": 1}
    assert opened.registry.verify().ok
    new = tracking.experiments.create("later")
    assert new > 7  # the database goes on counting after what was imported
    assert tracking.runs.create(new).number > 3
    opened.close()


def test_a_folder_without_a_database_comes_as_well(project: fb.Project, tmp_path: Path) -> None:
    imported = import_mlflow(project, folder_store(tmp_path))
    assert imported.found == {"experiments": 3, "runs": 1, "points": 6, "models": 1, "registered": 1, "versions": 2}
    tracking = project.tracking
    child = tracking.runs.get(CHILD)
    assert (child.status, child.user, child.ended, child.tags["note"]) == ("FINISHED", "bob", T + 99, "two\nlines")
    history, _ = tracking.runs.history(CHILD, "loss/train")
    assert [point.step for point in history] == [0, 1, 2, -3]
    assert math.isnan(history[1].value)
    assert tracking.runs.history(CHILD, "old")[0][0].step == 0
    assert child.inputs[0].tags == {"mlflow.data.context": "training"}
    assert child.links == (ModelLink("output", MODEL, 4),)
    assert tracking.models.get(MODEL).metrics == (ModelMetric("acc", 0.75, T + 42, 1, CHILD, "plant", "abc"),)
    version = project.registry.version("press", 3)
    assert version.external
    found = tracking.files.walk(f"1/{CHILD}/artifacts")
    assert {path: tracking.files.open(entry).read() for path, entry in found.items()} == FILES
    with project.database.read() as reader:
        press = tracking.registered.get(reader, "press")
        assert tracking.registered.version(reader, "press", 3).source == f"mlflow-artifacts:/1/{CHILD}/artifacts/model"
    assert press.created == T + 60
    assert import_mlflow(project, tmp_path / "mlruns").entry is None


def test_the_layout_of_an_older_mlflow_is_read(project: fb.Project, source: Path) -> None:
    make_older(source)
    imported = import_mlflow(project, source)
    assert imported.found["runs"] == 3
    assert project.tracking.runs.get(CHILD).params["depth"] == "3"
    assert project.registry.version("press", 1).external


def test_a_store_in_postgresql_comes(project: fb.Project, source: Path, postgres: PostgresServer) -> None:
    url = postgres.database()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(re.sub(r",\s+CHECK \(is_nan IN \(0, 1\)\)", "", schema()))
        fill(cursor.executemany, "%s")
    imported = import_mlflow(project, url, artifacts=[source.parent / "mlartifacts"])
    assert imported.source.startswith("postgresql://flyball@/")
    assert imported.found["runs"] == 3
    assert len(project.tracking.runs.history(CHILD, "loss/train")[0]) == 4
    assert project.tracking.runs.get(CHILD).inputs[0].name == "plant"
    postgres.drop(url)


def test_a_second_import_brings_only_what_is_new(project: fb.Project, source: Path) -> None:
    import_mlflow(project, source)
    before, entries = rows(project), len(project.ledger.entries())
    again = import_mlflow(project, source)
    assert (again.entry, again.clashes) == (None, ())
    assert rows(project) == before
    assert len(project.ledger.entries()) == entries

    change(
        source, f"UPDATE runs SET status = 'FINISHED', end_time = {T + 500} WHERE run_uuid = '{PARENT}'",
        f"INSERT INTO metrics VALUES ('speed', 2.0, {T + 400}, '{PARENT}', 1, 0)",
        f"INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, artifact_uri, experiment_id) VALUES "
        f"('{'e' * 32}', 'new', 'RUNNING', {T + 600}, 'active', 'mlflow-artifacts:/1/{'e' * 32}/artifacts', 1)",
        f"INSERT INTO model_versions (name, version, creation_time, current_stage, source, status) VALUES "
        f"('press', 4, {T + 700}, 'None', 's3://bucket/4', 'READY')",
        "UPDATE registered_model_aliases SET version = 4 WHERE alias = 'champion'",
    )  # fmt: skip
    weights = source.parent / "mlartifacts" / "1" / CHILD / "artifacts" / "model" / "weights.bin"
    weights.write_bytes(b"trained on")
    third = import_mlflow(project, source)
    assert third.counts["runs"] == {"new": 1, "changed": 1, "same": 2}
    assert third.counts["versions"] == {"new": 1, "changed": 0, "same": 3}
    parent = project.tracking.runs.get(PARENT)
    assert (parent.status, parent.ended, parent.metrics[0].value) == ("FINISHED", T + 500, 2.0)
    assert [point.value for point in project.tracking.runs.history(PARENT, "speed")[0]] == [1.0, 2.0]
    assert project.registry.resolve("press@champion").number == 4
    entry = project.tracking.files.find(f"1/{CHILD}/artifacts/model/weights.bin")
    assert project.tracking.files.open(entry).read() == b"trained on"
    assert project.registry.verify().ok


def test_an_alias_that_was_moved_here_stays_where_it_is(project: fb.Project, source: Path) -> None:
    import_mlflow(project, source)
    project.promote("press@1", "champion", reason="better for us")
    change(source, f"INSERT INTO model_versions (name, version, creation_time, source) VALUES ('press', 9, {T}, 's3://b/9')",
           "UPDATE registered_model_aliases SET version = 9 WHERE alias = 'champion'")  # fmt: skip
    again = import_mlflow(project, source)
    assert [clash["what"] for clash in again.clashes] == ["alias 'champion' of press"]
    assert project.registry.resolve("press@champion").number == 1


_KILLED = """
import sys
import flyball as fb
from flyball.exchange import import_mlflow
import_mlflow(fb.open(sys.argv[1]), sys.argv[2])
"""
_POINTS = (
    "exchange.experiments:after-commit", "exchange.runs:before-commit", "exchange.runs:after-commit",
    "exchange.files:before-commit", "exchange.registered:after-commit", "registry.register:after-commit",
    "exchange.stated:before-commit", "exchange.stage:before-commit", "registry.alias:after-commit",
    "exchange.told:before-commit",
)  # fmt: skip


def test_an_import_that_is_killed_at_any_instant_goes_on_without_loss_or_doubling(source: Path, tmp_path: Path) -> None:
    whole = project_in(tmp_path / "whole", GATE)
    import_mlflow(whole, source)
    wanted, digests = rows(whole), set(whole.artifacts.digests())
    whole.close()
    torn = project_in(tmp_path / "torn", GATE)
    torn.close()
    for point in _POINTS:  # each import is killed a little later than the one before, over the same project
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, tmp_path / "torn", source],
            env={**os.environ, "FLYBALL_FAILPOINT": point},
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, point
    torn = fb.open(tmp_path / "torn")
    import_mlflow(torn, source)
    assert rows(torn) == wanted
    assert set(torn.artifacts.digests()) >= digests
    made = [entry.subject for entry in torn.ledger.entries(what="version.registered")]
    assert sorted(made) == [f"{model}@{number}" for model, number, _ in wanted["versions"]]
    assert torn.registry.verify().ok
    torn.close()


def test_imported_versions_are_not_taken_for_evaluated_ones(project: fb.Project, source: Path) -> None:
    imported = import_mlflow(project, source)
    outcomes = {clash["what"]: clash["outcome"] for clash in imported.clashes}
    refused = "not moved: its gate refused a version that is imported, not evaluated"
    assert outcomes == {"production of press@1": refused}  # once for the stage, once for the alias
    assert [now.alias for now in project.registry.aliases("press")] == ["champion"]
    with pytest.raises(fb.Refused) as caught:
        project.promote("press@1", "production", reason="it was in production before")
    assert "imported, not evaluated" in str(caught.value)
    evidence = project.registry.evidence(project.registry.version("press", 1))
    assert evidence["metrics"]["test"] == {}
    assert evidence["stated"]["metrics"] == {"roc_auc": {"value": 0.9, "low": None, "high": None}}
    assert evidence["imported"]["standing"] == "imported, not evaluated"
    assert evidence["imported"]["stated"]["created"].startswith("2023-11-14T22:13:20.062")


def test_before_an_import_the_answer_is_the_word_of_the_source(project: fb.Project, source: Path) -> None:
    import_mlflow(project, source)
    now = served_at(project, "press@champion")
    assert (now["version"], now["imported"]["standing"]) == (3, "imported, not evaluated")
    early = served_at(project, "press@champion", "2023-11-14T22:13:20Z")
    assert early["version"] is None
    assert (early["stated"]["version"], early["stated"]["named_at_import"], early["stated"]["since"]) == (None, 3, None)
    later = served_at(project, "press@champion", "2023-11-14T22:13:21Z")
    assert (later["version"], later["stated"]["version"]) == (None, 3)
    assert later["stated"]["by"] == f"sqlite:///{source}"
    # the gate refused it, and still it is known what the source said
    assert served_at(project, "press@production", "2023-11-14T22:13:21Z")["stated"]["version"] == 1


def test_the_ledger_binds_each_run_as_it_lies_here(project: fb.Project, source: Path) -> None:
    import_mlflow(project, source)
    (entry,) = project.ledger.entries(what=ENTRY_RUNS)
    bound = project.ledger.payload(entry.seq)["runs"]
    with project.database.read() as reader:
        lying = {row.id: run_digest(reader, row) for row in reader.execute(runs.select())}
    assert bound == lying
    before = rows(project)
    project.registry.rebuild()
    assert rows(project) == before


def test_names_and_ids_that_are_taken_are_told_apart_and_said(project: fb.Project, source: Path) -> None:
    mine = project.tracking.experiments.create("north")
    assert mine == 1
    project.tracking.runs.create(mine, run_id=CHILD, name="mine")
    project.tracking.runs.create(0)
    imported = import_mlflow(project, source)
    said = {clash["what"]: clash["outcome"] for clash in imported.clashes}
    assert said["experiment 'north'"] == "the name is taken here, so it is called 'north (imported)'"
    assert said["experiment 1 (north (imported))"] == "the id is taken here, so it is 2"
    assert said["experiment 'Default'"] == "its runs join those that are here"
    assert "left as it is" in said[f"run {CHILD}"]
    assert project.tracking.runs.get(CHILD).name == "mine"
    assert project.tracking.runs.get(PARENT).experiment == 2


def test_a_model_whose_name_is_taken_gets_another(project: fb.Project, source: Path, tmp_path: Path) -> None:
    import_mlflow(project, source)
    other = database_store(tmp_path / "other")
    change(other, "UPDATE registered_models SET creation_time = 5")
    imported = import_mlflow(project, other)
    names = [model.name for model in project.tracking.registered.search(None, order_by=[], limit=9, offset=0).items]
    assert names == ["press", "press (imported)", "späß", "späß (imported)"]
    assert any("'press (imported)'" in clash["outcome"] for clash in imported.clashes)


def test_nothing_outside_the_named_folders_is_read(project: fb.Project, source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.pem").write_text("private")
    for uri in (str(secret), f"file://{secret}", f"mlflow-artifacts:/../../{secret.name}", "../secret"):
        change(source, f"UPDATE runs SET artifact_uri = '{uri}' WHERE run_uuid = '{PARENT}'")
        imported = import_mlflow(project, source)
        assert project.tracking.files.walk(f"1/{PARENT}/artifacts") == {}
        assert uri.startswith("mlflow") or "the files of 1 runs and models lie outside" in imported.notes[0]
    beside = source.parent / "keys"  # beside the store, but in no folder of files
    secret.rename(beside)
    change(source, f"UPDATE runs SET artifact_uri = 'keys' WHERE run_uuid = '{PARENT}'")
    import_mlflow(project, source)
    assert project.tracking.files.walk(f"1/{PARENT}/artifacts") == {}
    link = source.parent / "mlartifacts" / "1" / CHILD / "artifacts" / "link"
    link.symlink_to(beside / "key.pem")
    import_mlflow(project, source)
    assert "link" not in project.tracking.files.walk(f"1/{CHILD}/artifacts")
    assert not any(project.artifacts.read(digest) == b"private" for digest in project.artifacts.digests())


def test_what_was_removed_here_does_not_come_again(project: fb.Project, source: Path) -> None:
    import_mlflow(project, source)
    project.tracking.runs.delete(PARENT)
    remove_deleted(
        project.database, project.ledger, datetime.now(UTC) + timedelta(days=1), actor=project.actor, why="asked to"
    )
    change(source, f"INSERT INTO metrics VALUES ('speed', 2.0, {T + 400}, '{PARENT}', 1, 0)")
    again = import_mlflow(project, source)
    assert {
        "what": f"run {PARENT}",
        "outcome": "it was removed here since the last import: not brought again",
    } in again.clashes
    with pytest.raises(TrackingUnknown):
        project.tracking.runs.get(PARENT)
    Catalog(project).delete("press", project.actor)
    assert "withdrawn here" in import_mlflow(project, source).clashes[0]["outcome"]


def test_files_may_stay_where_they_are(project: fb.Project, source: Path) -> None:
    change(source, f"UPDATE runs SET artifact_uri = '/srv/{CHILD}' WHERE run_uuid = '{CHILD}'")
    imported = import_mlflow(project, source, without_artifacts=True)
    assert "files" not in imported.counts
    assert project.tracking.runs.get(CHILD).location == f"/srv/{CHILD}"


def test_a_dry_run_counts_and_writes_nothing(project: fb.Project, source: Path) -> None:
    before, entries = rows(project), len(project.ledger.entries())
    looked = import_mlflow(project, source, dry_run=True)
    assert (looked.found["runs"], looked.dry_run, looked.entry) == (3, True, None)
    assert (rows(project), len(project.ledger.entries())) == (before, entries)


def _damaged(folder: Path) -> dict[str, tuple[Any, type[fb.FlyballError]]]:
    """Sources that are not to be imported, and what is said of each."""
    text = folder / "notes.txt"
    text.write_text("no database\n" * 1000)
    foreign = folder / "foreign.db"
    with closing(sqlite3.connect(foreign)) as raw:
        raw.execute("CREATE TABLE runs (id)")
    stores = {name: database_store(folder / name) for name in ("newer", "older", "orphan", "torn", "lost", "unnamed")}
    change(stores["newer"], "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    change(stores["older"], "UPDATE alembic_version SET version_num = '451aebb31d03'")
    change(stores["orphan"], "UPDATE runs SET experiment_id = 99")
    change(stores["unnamed"], "DELETE FROM alembic_version")
    whole = stores["torn"].read_bytes()
    stores["torn"].write_bytes(whole[: len(whole) // 2])
    change(
        stores["lost"],
        "UPDATE model_versions SET source = 'mlflow-artifacts:/1/gone' WHERE version = 1 AND name = 'press'",
    )
    halfway = folder_store(folder / "halfway")
    (halfway / "1" / CHILD / "meta.yaml").write_text("")
    garbled = folder_store(folder / "garbled")
    (garbled / "1" / CHILD / "metrics" / "test_roc_auc").write_text("soon\n")
    (folder / "empty").mkdir()
    return {
        "missing": (folder / "nowhere.db", SourceUnreadable), "text": (text, SourceForeign),
        "foreign": (foreign, SourceForeign), "empty": (folder / "empty", SourceForeign),
        "newer": (stores["newer"], SchemaUnknown), "older": (stores["older"], SchemaUnknown),
        "unnamed": (stores["unnamed"], SourceForeign), "orphan": (stores["orphan"], SourceDamaged),
        "torn": (stores["torn"], SourceDamaged), "lost": (stores["lost"], ArtifactsMissing),
        "halfway": (halfway, SourceDamaged), "garbled": (garbled, SourceDamaged),
        "mysql": ("mysql://u:secret@host/db", SourceUnreadable), "http": ("http://127.0.0.1:1", SourceUnreadable),
        "unreachable": ("postgresql://nobody@127.0.0.1:1/none", SourceUnreadable),
    }  # fmt: skip


def test_a_source_that_cannot_be_taken_whole_is_refused_and_leaves_nothing(project: fb.Project, tmp_path: Path) -> None:
    before, entries = rows(project), len(project.ledger.entries())
    for name, (source, error) in _damaged(tmp_path).items():
        with pytest.raises(error) as caught:
            import_mlflow(project, source)
        assert caught.value.fix or caught.value.why, name
        assert "secret" not in str(caught.value)
        assert rows(project) == before, name
        assert len(project.ledger.entries()) == entries, name


def test_versions_without_their_files_come_when_that_is_asked_for(project: fb.Project, source: Path) -> None:
    change(source, "UPDATE model_versions SET source = 'mlflow-artifacts:/1/gone' WHERE version = 1 AND name = 'press'")
    import_mlflow(project, source, allow_missing=True)
    assert project.registry.version("press", 1).external
    with pytest.raises(ArtifactsMissing):
        import_mlflow(project, source, artifacts=[source.parent / "nowhere"])
