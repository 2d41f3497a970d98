"""Not one value of a personal column, whatever its part, stands in any file, output or answer but the data itself."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

import flyball as fb
from flyball.api import control_app
from flyball.cli import main
from flyball.serving import Served, serving_app
from support.command_line import flyball
from support.secrets_planted import CLASSES, PERSONAL, Planted, blobs, planted
from support.tables import write

DECLARED = [name for name in PERSONAL if name != "mail"]  # which is to be found
VARIANTS: dict[str, dict[str, Any]] = {
    "a personal class, by a personal time": {
        "target": "illness", "drop": ["cost"], "time": "seen", "weight": "counts", "positive": CLASSES[1],
    },
    "a personal number, by personal groups": {"target": "cost", "drop": ["illness"], "group": "clan"},
}  # fmt: skip


class Hospital:
    """A project on the planted table; `said` is everything that any command printed."""

    def __init__(self, root: Path, variant: dict[str, Any]) -> None:
        self.secrets: Planted = planted()
        self.folder = root / "p"
        self.said: dict[str, str] = {}
        self.target = variant["target"]
        options = [
            f"--{name}={value}" for name in ("time", "group", "weight", "positive") if (value := variant.get(name))
        ]
        options += [f"--personal={name}" for name in DECLARED] + [f"--drop={name}" for name in variant["drop"]]
        source = write(self.secrets.table, root / "t.csv")
        self.tell("init", "init", "care", "--from", source, "--target", self.target, *options)
        self.tell("run", "run", "--budget", "5s", "--reason", "first")
        self.source = source

    def tell(self, what: str, *arguments: object) -> str:
        ended = flyball(*arguments, folder=self.folder)
        self.said[what] = ended.out + ended.err
        return ended.out

    def leaks(self, data: bytes | str, *, but: tuple[str, ...] = ()) -> list[tuple[str, bytes]]:
        return self.secrets.found_in(data.encode() if isinstance(data, str) else data, without=but)


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda name: str(name).replace(" ", "-"))
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("hospital"), VARIANTS[request.param])


def test_the_search_finds_what_is_planted(hospital: Hospital) -> None:
    row = hospital.secrets.table.row(5, named=True)
    assert {name for name, _ in hospital.leaks(json.dumps(row, default=str))} == set(PERSONAL)
    snapshot = [name for name, data in blobs(hospital.folder) if hospital.leaks(data) and "artifacts" in name]
    assert snapshot


def test_commands_print_no_personal_value(hospital: Hospital) -> None:
    run = json.loads(hospital.said["run"].splitlines()[0])
    assert run["registered"], run["notes"]
    leaders = fb.open(hospital.folder).version("care@1").evidence["leaderboard"]
    assert {one["family"] for one in leaders if one["weight"]} - {"prior"}, leaders  # something was really learned
    hospital.tell("explain", "explain", "care@1", "--row", 3)
    hospital.tell("explain other", "explain", "care@1", "--row", 3, "--source", hospital.source)
    hospital.tell("again", "run", "--budget", "5s")
    hospital.tell("promote", "promote", "care@1", "production", "--reason", "now")
    hospital.tell("status", "status")
    hospital.tell("watch", "watch", "care")
    hospital.tell("log", "audit", "log")
    hospital.tell("verify", "audit", "verify")
    hospital.tell("predict", "predict", "care@1", hospital.source, hospital.folder.parent / "scored.csv")
    for what, text in hospital.said.items():
        assert hospital.leaks(text) == [], what


def test_what_people_read_of_the_commands_holds_none_either(
    hospital: Hospital, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["run", "--budget", "5s"], ["explain", "care@1", "--row", "3"], ["status"], ["audit", "log"]):
        main([*words, "--dir", str(hospital.folder)])
        read = capsys.readouterr()
        assert read.out
        assert hospital.leaks(read.out + read.err) == [], words


def test_no_file_but_the_snapshot_and_the_models_own_answers_holds_one(hospital: Hospital) -> None:
    project = fb.open(hospital.folder)
    version = project.version("care@1")
    snapshot = project.registry.lineage(version.record)["dataset"]["artifact"]
    # A model must name the classes that it answers with: they stand in its manifest, golden outputs and fitted form. Of a
    # number, one end of an interval is the true value of the very row that set its width: in the out-of-fold answers.
    files, made = version.record.files, version.evidence["artifacts"]
    answers = {files["manifest.json"], files["golden.npz"], made["pipeline"], made["out_of_fold"]}
    project.close()
    for name, data in blobs(hospital.folder):
        place = name.replace("/", "").partition("!")[0]
        if snapshot in place:
            continue
        own = any(digest in place for digest in answers) or name.partition("!")[0].endswith(
            ("manifest.json", "golden.npz")
        )
        chosen = name == "flyball.toml"  # in which the user wrote the positive class himself
        but = (hospital.target,) if own or chosen else ()
        assert hospital.leaks(data, but=but) == [], name


def test_documents_of_the_control_plane_hold_none(hospital: Hospital) -> None:
    project = fb.open(hospital.folder)
    paths = ["project", "models", "models/care", "models/care/versions/1", "models/care/versions/1/report", "ledger",
             "audit", "models/nobody", "models/care/versions/99"]  # fmt: skip

    async def read() -> dict[str, str]:
        transport = httpx.ASGITransport(app=control_app(project.view()))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return {path: (await client.get(f"/api/v1/{path}")).text for path in paths}

    for path, text in asyncio.run(read()).items():
        assert text
        assert hospital.leaks(text) == [], path
    payloads = [project.ledger.payload(entry.seq) for entry in project.ledger.entries()]
    runs = [run.to_dict() for run in project.registry.runs()]
    for document in (payloads, runs):
        assert hospital.leaks(json.dumps(document)) == []
    project.close()


def test_the_prediction_log_holds_none_of_what_is_asked_answered_or_told(hospital: Hospital, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    shutil.copytree(hospital.folder, folder)
    project = fb.open(folder)
    version = project.version("care@1")
    personal = frozenset(version.evidence["data"]["personal"])
    table = hospital.secrets.table.head(6)
    rows = json.loads(json.dumps(table.to_dicts(), default=str))
    rows[1]["grade"] = "Gradunheard"  # a level that no training row had
    wrong = [{**rows[0], "wage": "Wagequobble"}, {**rows[0], "born": "Bornquobble"}, {**rows[0], "wage": [7_654_321.5]}]

    async def ask() -> list[str]:
        with project.log() as log:
            served = Served(project.bundle(version.record), "care", 1, personal=personal)
            app = serving_app({"care": served}, log, project.clock)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
                answer = (await client.post("/predict", json={"rows": rows})).json()
                told = [{"id": one["id"], "value": table[hospital.target][place]}
                        for place, one in enumerate(answer["predictions"])]  # fmt: skip
                refused = [(await client.post("/predict", json={"rows": [row]})) for row in wrong]
                assert [one.status_code for one in refused] == [400, 400, 400]
                outcome = await client.post("/outcomes", json=told)
                assert outcome.status_code == (200 if hospital.target == "illness" else 400)
                unknown = await client.post("/outcomes", json={"id": told[0]["id"], "value": "Unheardof"})
                assert unknown.status_code == 400
                return [one.text for one in (*refused, unknown)]

    for text in asyncio.run(ask()):
        assert "quobble" not in text
        assert "7654321" not in text
        assert "Unheardof" not in text
        assert hospital.leaks(text) == []
    with project.log() as log:
        logged = log.read("care")
    assert len(logged) == 6
    assert set(logged[0].prediction.inputs) == set(version.evidence["data"]["used"]) - personal
    if hospital.target == "illness":
        assert {one.outcome.value for one in logged if one.outcome} <= {"class 1", "class 2"}
        assert {one.prediction.outputs["prediction"] for one in logged} <= {"class 1", "class 2"}
    project.close()
    for name, data in blobs(folder):
        if "flyball.db" in name:
            assert hospital.leaks(data) == [], name
            assert b"quobble" not in data
            assert b"Gradunheard" not in data


def test_errors_about_personal_cells_do_not_quote_them(hospital: Hospital, tmp_path: Path) -> None:
    broken = hospital.secrets.table.with_columns(
        wage=hospital.secrets.table["person"].alias("wage"), born=hospital.secrets.table["mail"].alias("born")
    )
    scored = flyball("predict", "care@1", write(broken, tmp_path / "b.csv"), tmp_path / "s.csv", folder=hospital.folder)
    assert scored.error(2)
    assert hospital.leaks(scored.out + scored.err) == []
    file = hospital.folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    try:
        for old, new in (("target = ", 'task = "regression"\ntarget = '), ("budget", 'positive = "Nosuch"\nbudget')):
            changed = "\n".join(line for line in text.split("\n") if not line.startswith("positive"))
            changed = changed.replace(old, new, 1)
            if hospital.target == "illness":
                file.write_text(changed, encoding="utf-8")
                ended = flyball("run", "--budget", "1s", folder=hospital.folder)
                assert ended.error(2)
                assert hospital.leaks(ended.out + ended.err) == []
        file.write_text(text.replace('time = "seen"', 'time = "person"'), encoding="utf-8")
        if "time" in text and hospital.target == "illness":
            ended = flyball("run", "--budget", "1s", folder=hospital.folder)
            assert ended.error(2)["code"] == "FB-PIPE-006"
            assert hospital.leaks(ended.out + ended.err) == []
    finally:
        file.write_text(text, encoding="utf-8")
