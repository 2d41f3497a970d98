"""What is exported is a store of MLflow's, whole or not at all; the commands say what they did."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import flyball as fb
from flyball.cli import main
from flyball.core.canonical import sha256_hex
from flyball.exchange import TargetTaken, export_mlflow, import_mlflow
from flyball.exchange.exporting import ENTRY
from flyball.exchange.revisions import check_revision
from support.command_line import flyball
from support.mlflow_stores import CHILD, FILES, GONE, MODEL, T, database_store, schema


@pytest.fixture
def project(tmp_path: Path) -> fb.Project:
    """A project that was filled by an import."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "flyball.toml").write_text('[project]\nname = "team"\n')
    opened = fb.open(folder)
    import_mlflow(opened, database_store(tmp_path / "source"))
    return opened


def rows(store: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a store of MLflow's holds, in one order."""
    with closing(sqlite3.connect(store)) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(raw.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names}


def test_the_export_of_an_import_is_the_store_that_was_imported(project: fb.Project, tmp_path: Path) -> None:
    exported = export_mlflow(project, tmp_path / "out")
    before, after = rows(tmp_path / "source" / "mlflow.db"), rows(tmp_path / "out" / "mlflow.db")
    for table in ("experiments", "experiment_tags", "tags", "params", "metrics", "logged_models", "logged_model_params",
                  "logged_model_tags", "registered_model_tags", "registered_model_aliases", "model_version_tags"):  # fmt: skip
        assert after[table] == before[table], table
    assert [row[0] for row in after["runs"]] == [row[0] for row in before["runs"]]
    assert exported.counts == {
        "experiments": 3, "runs": 3, "points": 6, "models": 1, "registered": 2, "versions": 3, "files": 2 * len(FILES)
    }  # fmt: skip
    for place in (f"1/{CHILD}", f"1/models/{MODEL}"):
        for name, content in FILES.items():
            assert (exported.folder / "artifacts" / place / "artifacts" / name).read_bytes() == content


def test_the_store_that_is_written_says_a_layout_that_is_known_and_its_references_hold(
    project: fb.Project, tmp_path: Path
) -> None:
    export_mlflow(project, tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / "mlflow.db")) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (revision,) = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    assert check_revision([revision], "here") == "bda7b8c39065"
    (deleted,) = [row for row in rows(tmp_path / "out" / "mlflow.db")["runs"] if row[0] == GONE]
    assert T + 50 in deleted
    assert f"'{revision}'" in schema()


def test_the_ledger_tells_what_left_the_store(project: fb.Project, tmp_path: Path) -> None:
    exported = export_mlflow(project, tmp_path / "out")
    (entry,) = project.ledger.entries(what=ENTRY)
    assert entry.seq == exported.entry
    assert entry.binds["store"] == exported.sha256 == sha256_hex((tmp_path / "out" / "mlflow.db").read_bytes())
    assert project.registry.verify().ok


def test_an_export_goes_into_a_new_folder_only(project: fb.Project, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("kept")
    with pytest.raises(TargetTaken):
        export_mlflow(project, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "kept"
    (tmp_path / "empty").mkdir()
    assert export_mlflow(project, tmp_path / "empty", without_artifacts=True).counts["runs"] == 3


_EXPORT = """
import sys
import flyball as fb
from flyball.exchange import export_mlflow
export_mlflow(fb.open(sys.argv[1]), sys.argv[2])
"""


def test_an_export_that_is_killed_leaves_no_half_of_a_store(project: fb.Project, tmp_path: Path) -> None:
    words = [sys.executable, "-c", _EXPORT, str(project.path), str(tmp_path / "out")]
    point = {"FLYBALL_FAILPOINT": "exchange.export:before-rename"}
    killed = subprocess.run(words, env={**os.environ, **point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    export_mlflow(project, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".out")] == []


def shown(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says to people."""
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_from_a_store_to_a_project_and_back_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = database_store(tmp_path / "source")
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "flyball.toml").write_text('[project]\nname = "team"\n')
    looked = flyball("import", "mlflow", str(store), "--dry-run", "--dir", str(folder)).answer()
    assert (looked["dry_run"], looked["found"]["runs"], looked["entry"]) == (True, 3, None)
    summary = shown("import", "mlflow", f"sqlite:///{store}", "--dir", str(folder), capsys=capsys)
    assert re.search(r"^ +3  runs$", summary, re.MULTILINE)
    again = flyball("import", "mlflow", str(store), "--dir", str(folder)).answer()
    assert again["counts"]["runs"] == {"new": 0, "changed": 0, "same": 3}
    asked = ["served", "press@champion", "--dir", str(folder), "--at", "2023-11-14T22:13:21Z"]
    assert flyball(*asked).answer()["stated"]["named_at_import"] == 3
    assert "may have named version 3" in shown(*asked, capsys=capsys)
    told = flyball("export", "mlflow", str(tmp_path / "out"), "--dir", str(folder)).answer()
    assert Path(told["store"]).is_file()
    assert flyball("audit", "verify", "--dir", str(folder)).code == 0
    refused = flyball("import", "mlflow", str(tmp_path / "nowhere.db"), "--dir", str(folder)).error(2)
    assert refused["code"] == "FB-EXCHANGE-001"
    taken = flyball("export", "mlflow", str(tmp_path / "out"), "--dir", str(folder)).error(2)
    assert taken["code"] == "FB-EXCHANGE-006"
