"""After a key was revoked or the store was rolled back: what is refused, and what sets it right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.command_line import flyball
from support.loop_trials import flyball as apart
from support.loop_trials import make_table

RUN = ("run", "--budget", "1s")


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("revoked")
    table = make_table(folder / "table.csv")
    flyball("init", "plant", "--from", str(table), "--target", "failed", folder=folder / "plant").answer(0)
    flyball(*RUN, folder=folder / "plant").answer(0)
    return folder / "plant"


@pytest.fixture
def project(registered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(registered, tmp_path / "plant"))


def test_a_version_of_a_revoked_key_is_not_promoted_and_the_next_run_signs_it_anew(project: Path) -> None:
    key = flyball("keys", "list", folder=project).answer(0)["keys"][0]["id"]
    flyball("keys", "revoke", key, "--reason", "leaked", folder=project).answer(0)
    promotion = ("promote", "plant@1", "production", "--reason", "trial")
    assert flyball(*promotion, folder=project).error(1)["code"] == "FB-SIGN-004"
    made = flyball(*RUN, folder=project).answer(0)
    assert (made["version"], made["unchanged"], made["reused"]) == (2, False, ["read", "look", "train", "prove"])
    flyball("promote", "plant@2", "production", "--reason", "trial", folder=project).answer(0)
    assert flyball("audit", "verify", folder=project).answer(0)["ok"]


def test_nothing_is_added_to_a_store_that_was_rolled_back(project: Path, tmp_path: Path) -> None:
    """In processes of their own, which let go of the store before it is replaced."""
    older = tmp_path / "older.db"
    shutil.copy(project / ".flyball" / "flyball.db", older)
    first = apart("promote", "plant@1", "production", "--reason", "first", folder=project)
    assert first.returncode == 0, first.stdout
    for leftover in (project / ".flyball").glob("flyball.db-*"):
        leftover.unlink()
    shutil.copy(older, project / ".flyball" / "flyball.db")
    for command in (("promote", "plant@1", "other", "--reason", "x"), RUN):
        refused = apart(*command, folder=project)
        assert refused.returncode == 3
        assert json.loads(refused.stdout)["error"]["code"] == "FB-PROJECT-010"
    verified = apart("audit", "verify", folder=project)
    assert verified.returncode == 1
    assert not json.loads(verified.stdout)["ok"]


def test_an_audit_makes_no_store_in_the_place_of_one_that_is_gone(project: Path) -> None:
    shutil.rmtree(project / ".flyball")
    found = flyball("audit", "verify", folder=project).answer(1)
    assert [problem["code"] for problem in found["problems"]] == ["FB-PROJECT-009"]
    assert not (project / ".flyball").exists()


def test_a_missing_signing_key_is_found_before_the_budget_is_spent(project: Path) -> None:
    for key in (project / ".flyball" / "keys").glob("*.pem"):
        key.unlink()
    assert flyball("run", "--budget", "600s", folder=project).error(3)["code"] == "FB-KEY-001"


def test_a_damaged_row_of_a_finished_step_is_made_again(project: Path) -> None:
    import sqlite3

    with sqlite3.connect(project / ".flyball" / "flyball.db") as store:
        store.execute("UPDATE steps SET outputs = '{}'")
    store.close()
    assert flyball(*RUN, folder=project).answer(0)["reused"] == []


def test_an_empty_checkpoint_is_no_checkpoint(project: Path, tmp_path: Path) -> None:
    (tmp_path / "anchor.json").write_text(json.dumps([]), encoding="utf-8")
    asked = flyball("audit", "verify", "--checkpoint", str(tmp_path / "anchor.json"), folder=project)
    assert asked.error(2)["code"] == "FB-PROJECT-006"
