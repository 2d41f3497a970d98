"""Values of personal columns, declared or found, stay out of everything that is shown, shipped or logged."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.serving import Served, serving_app
from support.command_line import flyball
from support.projects import make_project
from support.tables import write

NAMES = ["Zaphodia", "Quuxbert", "Xyrillian", "Wombatine"]
WARDS = ["Ward-Ösel", "Ward-Kvark"]
ROWS = 300
TABLES = ["predictions", "ledger_entries", "ledger_payloads", "dataset_versions", "model_versions", "runs"]


class Clinic:
    """A project with a name (kept all the same), a wage and a ward declared personal, mail addresses to be found."""

    def __init__(self, root: Path) -> None:
        rng = np.random.default_rng(6)
        wage = 7_000_000 + rng.permutation(ROWS) * 37 + 0.625
        name = rng.choice(NAMES, ROWS)
        score = rng.normal(size=ROWS) + (name == NAMES[0]) + wage / 1e4 % 1
        ill = score > np.median(score)
        self.table = pl.DataFrame(
            {
                "name": name,
                "wage": wage,
                "mail": [f"user{row}@hidden-{row % 7}.example" for row in range(ROWS)],
                "ward": np.where(ill, WARDS[0], WARDS[1]),
                "dose": rng.normal(size=ROWS).round(3),
                "colour": rng.choice(["red", "blue"], ROWS),
                "ill": ill,
            }
        )
        self.folder, self.init = make_project(root / "p", write(self.table, root / "t.csv"), "ill")
        file = self.folder / "flyball.toml"
        text = file.read_text(encoding="utf-8")
        declared = text.replace("[model.plant]", 'personal = ["name", "wage", "ward"]\n[model.plant]\nkeep = ["name"]')
        file.write_text(declared, encoding="utf-8")
        self.run_text = flyball("run", "--budget", "1s", folder=self.folder).out
        self.run = json.loads(self.run_text)
        self.bundle = Path(self.run["bundle"])

    def secrets_in(self, text: str) -> list[str]:
        wages = [form for wage in self.table["wage"] for form in (f"{wage}", f"{wage:,.3f}", f"{wage:,.0f}")]
        secrets = [*NAMES, *WARDS, *wages, "@hidden", "hidden-"]
        return [secret for secret in secrets if secret in text]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    return Clinic(tmp_path_factory.mktemp("clinic"))


def test_mail_addresses_are_found_to_be_personal(clinic: Clinic) -> None:
    assert clinic.init["personal"] == ["mail"]
    assert fb.open(clinic.folder).version("plant@1").evidence["data"]["personal"] == ["mail", "name", "wage", "ward"]


def test_what_a_run_answers_holds_no_personal_value_even_of_a_leak(clinic: Clinic) -> None:
    assert [leak["column"] for leak in clinic.run["leaks"]] == ["ward"]
    assert clinic.secrets_in(clinic.run_text) == []


def test_report_and_evidence_hold_no_personal_value(clinic: Clinic) -> None:
    version = fb.open(clinic.folder).version("plant@1")
    assert "name" in version.evidence["data"]["used"]
    assert clinic.secrets_in(Path(clinic.run["report"]).read_text(encoding="utf-8")) == []
    assert clinic.secrets_in(json.dumps(version.evidence, ensure_ascii=False)) == []
    assert clinic.secrets_in(json.dumps(version.evidence)) == []


@pytest.mark.parametrize("file", ["manifest.json", "card.md", "sbom.cdx.json"])
def test_texts_of_the_bundle_hold_no_personal_value(file: str, clinic: Clinic) -> None:
    assert clinic.secrets_in((clinic.bundle / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", ["golden.npz", "reference.npz"])
def test_arrays_of_the_bundle_hold_no_personal_value(file: str, clinic: Clinic) -> None:
    wages = set(clinic.table["wage"].to_list())
    with np.load(io.BytesIO((clinic.bundle / file).read_bytes()), allow_pickle=False) as arrays:
        for name in arrays.files:
            values = arrays[name]
            if values.dtype.kind == "f":
                assert not wages & set(values.ravel().tolist()), name
            else:
                raw = values.tobytes()
                texts = raw.decode("utf-8", "replace") + raw.decode("utf-32-le", "replace") + str(values.tolist())
                assert clinic.secrets_in(texts) == [], name


def test_explanations_hide_personal_values_but_not_what_they_did(clinic: Clinic) -> None:
    told = flyball("explain", "plant@1", "--row", 3, folder=clinic.folder)
    assert clinic.secrets_in(told.out) == []
    reasons = {reason["column"]: reason for reason in told.answer()["reasons"]}
    assert {"name", "wage", "dose"} <= set(reasons)
    assert reasons["dose"]["value"] == clinic.table["dose"][3]
    explained = fb.open(clinic.folder).version("plant@1").explain(clinic.table.head(5))
    assert clinic.secrets_in(explained._repr_html_() + explained.to_text(0) + repr(explained)) == []


def test_prediction_log_and_ledger_hold_no_personal_value(clinic: Clinic) -> None:
    project = fb.open(clinic.folder)
    version = project.version("plant@1")
    rows = [{**row, "name": "Nobodyson", "wage": 9_876_543.5} for row in clinic.table.head(4).to_dicts()]
    with project.log() as log:
        personal = frozenset(version.evidence["data"]["personal"])
        served = Served(project.bundle(version.record), "plant", 1, personal=personal)
        answer = asyncio.run(_ask(serving_app({"plant": served}, log, project.clock), rows))
    assert len(answer["predictions"]) == 4
    project.close()
    store = clinic.folder / ".flyball" / "flyball.db"
    connection = sqlite3.connect(store)
    kept = {table: repr(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES}
    connection.close()
    assert str(rows[0]["dose"]) in kept["predictions"]
    for text in kept.values():
        assert clinic.secrets_in(text) == []
        assert "Nobodyson" not in text
        assert "9876543" not in text


def test_the_watch_leaves_personal_columns_alone_and_says_so(clinic: Clinic, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(clinic.folder, tmp_path / "p"))
    with (folder / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write('\n[monitor.plant]\nwindow = 60\nfewest = 30\nfalse_alarms = "1 per 500 windows"\n')
    project = fb.open(folder)
    version = project.version("plant@1")
    personal = frozenset(version.evidence["data"]["personal"])
    served = Served(project.bundle(version.record), "plant", 1, personal=personal)
    rows = [{**row, "dose": row["dose"] + 4} for row in clinic.table.sample(60, seed=1).to_dicts()]
    with project.log() as log:
        asyncio.run(_ask(serving_app({"plant": served}, log, project.clock), rows))
    time.sleep(0.5)
    seen = project.watch("plant")
    assert seen.personal == ("mail", "name", "wage", "ward")
    assert {column["column"] for column in seen.windows[0].statistics["columns"]} <= {"dose", "colour", "P(true)"}
    assert [column["column"] for column in seen.alerts[0].columns] == ["dose"]
    project.close()
    connection = sqlite3.connect(folder / ".flyball" / "flyball.db")
    for table in ("windows", "alerts", "ledger_payloads"):
        assert clinic.secrets_in(repr(connection.execute(f"SELECT * FROM {table}").fetchall())) == []
    connection.close()


async def _ask(app: Any, rows: list[dict[str, Any]]) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        answer = await client.post("/predict", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        return answer.json()
