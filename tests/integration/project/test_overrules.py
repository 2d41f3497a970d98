"""What overrules the look is one entry of the ledger, stands in the evidence and on every page, and a gate can refuse it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flyball as fb
from support.command_line import flyball
from support.machines import machines
from support.projects import make_project
from support.tables import write


class Plant:
    """A project whose settings are changed line by line."""

    def __init__(self, root: Path) -> None:
        self.folder, self.init = make_project(root / "p", write(machines(), root / "t.csv"), "failed")
        self.file = self.folder / "flyball.toml"
        self.text = self.file.read_text(encoding="utf-8")

    def run(self, *lines: str, reason: str = "", data: str = "", code: int = 0) -> dict[str, Any]:
        text = self.text.replace('budget = "60s"', "\n".join(['budget = "0.5s"', *lines]))
        self.file.write_text(text.replace("[model.plant]", f"{data}\n[model.plant]"), encoding="utf-8")
        return flyball("run", "--reason", reason, folder=self.folder).answer(code)

    def entries(self) -> list[tuple[str, str, Any]]:
        """Verb, reason and payload of the entries about the look, oldest first."""
        project = fb.open(self.folder)
        found = [(one.what, one.why, project.ledger.payload(one.seq)) for one in project.ledger.entries(what="look")]
        project.close()
        return found


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """One project for tests that ask what a run says of its own settings, whatever ran before."""
    return Plant(tmp_path_factory.mktemp("anew"))


def test_one_change_is_one_entry_and_changing_back_is_one_too(plant: Plant) -> None:
    plant.run()
    assert plant.entries() == []
    for _ in range(2):  # the same again adds nothing
        kept = plant.run('keep = ["alarm"]', reason="it rings before")
    assert [one["column"] for one in kept["overrules"]] == ["alarm"]
    assert kept["overrules"][0]["text"].startswith("kept on request: alarm, although it implies the target")
    plant.run('keep = ["alarm"]', 'split = "random"', reason="to compare")
    plant.run('split = "random"', reason="it does not ring before, after all")
    plant.run(reason="as the look says")
    entries = plant.entries()
    assert [(what, why) for what, why, _ in entries] == [
        ("look.overruled", "it rings before"),
        ("look.overruled", "to compare"),
        ("look.overruled", "it does not ring before, after all"),
        ("look.restored", "as the look says"),
    ]
    first = entries[0][2]["added"][0]
    assert (first["kind"], first["setting"], first["chosen"]) == ("leak kept", "keep", "kept")
    assert first["found"]["evidence"]["purity"] == 1.0
    second = entries[1][2]["added"][0]
    assert (second["kind"], second["chosen"], second["loosens"]) == ("split", "at random", True)
    assert second["found"]["what"] == 'by time ("when")'
    assert [one["column"] for one in entries[2][2]["removed"]] == ["alarm"]
    assert [one["kind"] for one in entries[3][2]["removed"]] == ["split"]
    assert flyball("audit", "verify", folder=plant.folder).answer()["ok"]


def test_report_card_and_evidence_of_the_version_say_what_was_overruled(plant: Plant) -> None:
    run = plant.run('keep = ["alarm"]')
    said = "kept on request: alarm, although it implies the target"
    assert said in Path(run["report"]).read_text(encoding="utf-8")
    assert said in (Path(run["bundle"]) / "card.md").read_text(encoding="utf-8")
    project = fb.open(plant.folder)
    version = project.version("plant@1")
    assert version.evidence["overrules"][0]["column"] == "alarm"
    shown = project.view().version("plant", 1)["evidence"]["overrules"]
    assert shown == version.evidence["overrules"]
    entry = project.ledger.entries(what="look")[0]
    assert entry.binds["dataset"] == version.evidence["data"]["version"]
    assert entry.actor.kind == "user"
    project.close()


def test_a_gate_refuses_a_kept_leak_and_names_it(plant: Plant) -> None:
    plant.text += "leaks_kept = 0\n"
    plant.run('keep = ["alarm"]')
    error = flyball("promote", "plant@1", "production", "--reason", "now", folder=plant.folder).answer(1)["error"]
    assert error["code"] == "FB-GATE-003"
    assert "alarm" in str(error)
    assert "leaks kept: at most 0" in str(error)


@pytest.mark.parametrize(
    ("line", "kind", "loosens"),
    [
        ('time = "load"\nsplit = "time"', "split", True),
        ('group = "engine"', "split", True),
        ('positive = "no"', "positive", False),
        ('positive = "yes"', None, None),
        ('time = "when"', None, None),
        ('keep = ["load"]', None, None),
        ('drop = ["load"]', None, None),
    ],
)
def test_only_what_differs_from_the_look_is_an_overrule(
    line: str, kind: str | None, loosens: bool | None, anew: Plant
) -> None:
    made = anew.run(line)["overrules"]
    assert [(one["kind"], one["loosens"]) for one in made] == ([] if kind is None else [(kind, loosens)])


def test_a_stricter_split_than_was_found_is_recorded_and_not_held_against_the_model(tmp_path: Path) -> None:
    table = machines().drop("when").sample(fraction=1, shuffle=True, seed=1)
    folder, _ = make_project(tmp_path / "p", write(table, tmp_path / "t.csv"), "failed")
    project = fb.open(folder)
    model = project.learn(project.dataset(tmp_path / "t.csv", target="failed", group="engine", name="t"), budget="0.5s")
    assert [(one["kind"], one["loosens"]) for one in model.evidence["overrules"]] == [("split", False)]
    assert project.ledger.entries(what="look") == []  # learned, and nothing governed is made of it yet
    project.propose(model, reason="machines never seen")
    assert [entry.why for entry in project.ledger.entries(what="look")] == ["machines never seen"]
    project.close()


def test_what_seems_personal_may_be_called_public(tmp_path: Path) -> None:
    table = machines().with_columns(mail=pl.Series([f"desk{row % 40}@site.example" for row in range(600)]))
    folder, init = make_project(tmp_path / "p", write(table, tmp_path / "t.csv"), "failed")
    assert init["personal"] == ["mail"]
    assert "personal text" in next(item["why"] for item in init["left_out"] if item["column"] == "mail")
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8").replace('budget = "60s"', 'budget = "0.5s"')
    file.write_text(text.replace("[model.plant]", 'public = ["mail"]\n[model.plant]'), encoding="utf-8")
    run = flyball("run", folder=folder).answer()
    assert "mail" not in [item["column"] for item in run["left_out"]]
    assert [one["kind"] for one in run["overrules"]] == ["personal denied"]
    assert fb.open(folder).version("plant@1").evidence["data"]["personal"] == []
