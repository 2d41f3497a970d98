"""What other programs rely on: each command's one JSON object, its keys, its exit code, and what it leaves unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import flyball, tree
from support.projects import Standing, make_project, standing
from support.tables import LONG, mixed_table, write

KINDS = ["binary", "multiclass", "regression"]
SHA256 = 64


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Standing:
    return standing(request.param)


def test_a_command_in_its_own_process_writes_one_object_on_stdout_and_progress_on_stderr(tmp_path: Path) -> None:
    table = mixed_table(60)
    source = write(table.drop("signal").with_columns(y=table["signal"] > 0), tmp_path / "t.csv")
    words = ["init", "plant", "--from", str(source), "--target", "y", "--dir", str(tmp_path / "p"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "flyball", *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["project"] == "plant"
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["read", "look"]


def test_init_tells_what_it_saw_and_would_do(made: Standing) -> None:
    assert {"project", "project_file", "target", "rows", "columns", "task", "task_why", "metric"} <= set(made.init)
    assert {"split", "leaks", "left_out", "personal", "notes"} <= set(made.init)
    assert (made.init["rows"], made.init["columns"]) == (240, 7)
    assert made.init["leaks"] == []


def test_run_carries_the_keys_that_other_programs_read(made: Standing) -> None:
    run = made.run
    assert (run["model"], run["version"]) == ("plant", 1)
    assert run["task"] == made.init["task"]
    assert run["split"]["kind"] == "random"
    assert {"kind", "by", "confidence", "why"} <= set(run["split"])
    assert 0 <= run["split"]["confidence"] <= 1
    for part in ("cv", "test"):
        assert run["metric"] in run["metrics"][part]
        for interval in run["metrics"][part].values():
            assert interval["low"] <= interval["value"] <= interval["high"]
    assert run["random_gap"] is None
    assert run["leaks"] == []
    assert run["parity"]["rows"] >= 192
    assert 0 <= run["parity"]["max_abs_diff"] <= 1e-5
    assert (Path(run["bundle"]) / "model.onnx").is_file()
    assert Path(run["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [gate["gate"] for gate in run["gates"]] == ["production", "candidate", "strict"]
    for gate in run["gates"]:
        for result in gate["results"]:
            assert {"rule", "measured", "passes", "passes_at", "where"} <= set(result)


def test_a_second_run_registers_nothing_and_reuses_every_step(made: Standing) -> None:
    before = flyball("audit", "anchor", folder=made.folder).answer()
    again = flyball("run", "--budget", "1s", folder=made.folder)
    assert (again.answer()["version"], again.answer()["unchanged"]) == (1, True)
    assert again.answer()["reused"] == ["read", "look", "train", "prove"]
    assert again.err.count("reused") == 4
    assert flyball("status", folder=made.folder).answer()["models"][0]["versions"] == 1
    runs_only = [entry["what"] for entry in flyball("audit", "log", folder=made.folder).answer()["entries"]]
    grown = flyball("audit", "anchor", folder=made.folder).answer()["size"] - before["size"]
    assert set(runs_only[:grown]) <= {"run.finished"}


def test_another_budget_and_other_data_make_new_versions(tmp_path: Path) -> None:
    made = standing("binary")
    folder = made.copy(tmp_path / "p")
    assert flyball("run", "--budget", "0s", folder=folder).code in (0, 1)
    before = flyball("status", folder=folder).answer()["models"][0]["versions"]
    changed = write(made.table.tail(-20), tmp_path / "changed.csv")
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    (folder / "flyball.toml").write_text(text.replace(str(made.source), str(changed)), encoding="utf-8")
    run = flyball("run", "--budget", "1s", folder=folder).answer()
    assert (run["version"], run["unchanged"], run["reused"]) == (before + 1, False, [])
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_a_passing_promotion_moves_the_alias_once(made: Standing, tmp_path: Path) -> None:
    folder = made.copy(tmp_path / "p")
    moved = flyball("promote", "plant@1", "staging", "--reason", 'ready, "we" think · ü', folder=folder).answer()
    assert (moved["alias"], moved["version"], moved["previous"], moved["moved"]) == ("staging", 1, None, True)
    before = tree(folder / ".flyball" / "bundles"), flyball("audit", "anchor", folder=folder).answer()
    again = flyball("promote", "plant@1", "staging", "--reason", "again", folder=folder).answer()
    assert (again["moved"], again["previous"], again["entry"]) == (False, 1, None)
    assert (tree(folder / ".flyball" / "bundles"), flyball("audit", "anchor", folder=folder).answer()) == before
    (newest, *_) = flyball("audit", "log", "--what", "alias.moved", folder=folder).answer()["entries"]
    assert (newest["seq"], newest["why"]) == (moved["entry"], 'ready, "we" think · ü')
    aliases = flyball("status", folder=folder).answer()["models"][0]["aliases"]
    assert [(alias["alias"], alias["number"]) for alias in aliases] == [("staging", 1)]


def test_a_gate_that_refuses_says_rule_measured_value_and_what_passes(made: Standing, tmp_path: Path) -> None:
    folder = made.copy(tmp_path / "p")
    error = flyball("promote", "plant@1", "strict", "--reason", "please", folder=folder)
    assert error.code == 1
    refused = json.loads(error.out)["error"]
    assert refused["code"] == "FB-GATE-003"
    (result, *_) = [rule for rule in refused["verdict"]["results"] if not rule["passes"]]
    assert made.run["metric"] in result["rule"] or "accuracy" in result["rule"]
    assert result["measured"]
    assert result["passes_at"]
    assert result["where"].startswith("flyball.toml:")
    (entry, *_) = flyball("audit", "log", folder=folder).answer()["entries"]
    assert (entry["what"], entry["why"]) == ("gate.refused", "please")
    assert flyball("status", folder=folder).answer()["models"][0]["aliases"] == []


def test_a_candidate_gate_that_refuses_ends_the_run_with_1_and_registers_nothing(tmp_path: Path) -> None:
    made = standing("binary")
    folder, _ = make_project(tmp_path / "p", made.source, made.init["target"])
    with (folder / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write('[gate.candidate]\nroc_auc = "> 0.9999"\n')
    refused = flyball("run", "--budget", "1s", folder=folder).answer(code=1)
    assert (refused["registered"], refused["version"], refused["bundle"]) == (False, None, None)
    assert flyball("status", folder=folder).answer()["models"] == []
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_explain_gives_contributions_that_add_up_to_the_margin(made: Standing) -> None:
    for row in (0, 7, 239):
        told = flyball("explain", "plant@1", "--row", row, folder=made.folder).answer()
        assert (told["model"], told["version"], told["row"]) == ("plant", 1, row)
        total = told["base"] + sum(reason["contribution"] for reason in told["reasons"])
        assert total == pytest.approx(told["margin"], abs=1e-6)
        assert {reason["column"] for reason in told["reasons"]} == set(made.table.columns) - {made.init["target"]}
        shown = {reason["column"]: reason["value"] for reason in told["reasons"]}
        assert shown[LONG] == made.table[LONG][row]
        assert shown['the "site", quoted'] == made.table['the "site", quoted'][row]


def test_explain_takes_rows_of_another_table(made: Standing, tmp_path: Path) -> None:
    other = write(made.table.head(2), tmp_path / "other.parquet")
    told = flyball("explain", "plant@1", "--row", 1, "--source", other, folder=made.folder).answer()
    assert told["margin"] == flyball("explain", "plant@1", "--row", 1, folder=made.folder).answer()["margin"]
    assert flyball("explain", "plant@1", "--row", 2, "--source", other, folder=made.folder).error(2)


def test_status_tells_models_ledger_and_log(made: Standing) -> None:
    told = flyball("status", folder=made.folder).answer()
    assert {"project", "path", "models", "ledger", "predictions", "outcomes"} <= set(told)
    (model,) = told["models"]
    assert (model["name"], model["versions"], model["newest"]) == ("plant", 1, "plant@1")
    assert model["quality"] == made.run["metrics"]["test"][made.run["metric"]]
    assert len(told["ledger"]["head"]) == SHA256


def test_the_audit_commands_answer_as_objects(made: Standing, tmp_path: Path) -> None:
    folder = made.copy(tmp_path / "p")
    verified = flyball("audit", "verify", folder=folder).answer()
    assert verified["ok"] is True
    assert verified["problems"] == []
    assert verified["checked"]["bundles"] == 1
    log = flyball("audit", "log", "--limit", 2, folder=folder).answer()["entries"]
    assert [entry["seq"] for entry in log] == [verified["checked"]["entries"], verified["checked"]["entries"] - 1]
    anchor = flyball("audit", "anchor", folder=folder).answer()
    assert {"v", "size", "root", "time", "key", "signature"} == set(anchor)
    rebuilt = flyball("audit", "rebuild", folder=folder).answer()
    assert rebuilt["entries"] == anchor["size"]
    assert rebuilt["rows"]["model_versions"] == 1
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_keys_are_listed_rotated_and_revoked(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    (first,) = flyball("keys", "list", folder=folder).answer()["keys"]
    second = flyball("keys", "rotate", "--reason", "yearly", folder=folder).answer()["id"]
    assert (
        flyball("keys", "revoke", first["id"][:12], "--reason", "stolen", folder=folder).answer()["id"] == first["id"]
    )
    states = {key["id"]: key["status"] for key in flyball("keys", "list", folder=folder).answer()["keys"]}
    assert states == {first["id"]: "revoked", second: "current"}
    trust = flyball("keys", "trust", folder=folder).answer()
    assert trust["format"] == 1
    assert {key["id"]: key["revoked"] for key in trust["keys"]} == {first["id"]: True, second: False}
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert flyball("keys", "revoke", "feed", "--reason", "?", folder=folder).error(2)


def test_usage_errors_end_with_2_and_internal_damage_with_3(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    assert flyball("statsu", folder=folder).error(2)["code"] == "FB-CLI-001"
    assert flyball("explain", "plant@1", "--row", "x", folder=folder).error(2)["code"] == "FB-CLI-001"
    for path in (folder / ".flyball").glob("flyball.db*"):
        path.unlink()
    (folder / ".flyball" / "flyball.db").write_bytes(b"no database" * 1000)
    assert flyball("status", folder=folder).error(3)["code"] == "FB-STORE-001"
    assert flyball("audit", "verify", folder=folder).answer(code=1)["ok"] is False
