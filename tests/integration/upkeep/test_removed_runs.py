"""A deleted run goes for good: its rows, its files unless they are shared, every byte; the ledger says what it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import flyball as fb
from flyball.tracking import DatasetInput, Metric
from support.command_line import flyball

RUNS = 101  # more than one transaction takes
STATE = ".flyball"


def project(folder: Path) -> fb.Project:
    folder.mkdir(exist_ok=True)
    (folder / "flyball.toml").write_text('[project]\nname = "shop"\n\n[retention]\ndeleted_runs = "0s"\n', "utf-8")
    return fb.open(folder)


def planted(opened: fb.Project, number: int) -> str:
    """A run with something of its own in every table, and a file of its own and one that all share."""
    tracking = opened.tracking
    run = tracking.runs.create(0, name=f"NAME-{number:04d}")
    tracking.runs.log(
        run.id, metrics=[Metric(f"METRIC-{number:04d}", 0.5, 1, step) for step in range(3)],
        params={"secret": f"PARAM-{number:04d}"}, tags={"note": f"TAG-{number:04d}"},
    )  # fmt: skip
    tracking.runs.log_inputs(run.id, [DatasetInput(f"DATA-{number:04d}", "d1", "local", "{}")])
    root = run.location.partition(":")[2].strip("/")
    tracking.files.put(f"{root}/model/weights.bin", f"WEIGHTS-{number:04d}".encode() * 5000)
    tracking.files.put(f"{root}/model/readme.txt", b"the same for every run" * 100)
    return run.id


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / STATE).rglob("*")) if path.is_file())


def test_deleted_runs_leave_no_byte_and_the_ledger_keeps_their_digests(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    opened = project(folder)
    ids = [planted(opened, number) for number in range(RUNS + 3)]
    kept, held, gone = ids[0], ids[1], ids[2:]
    opened.tracking.runs.log(held, tags={"flyball.hold": "a court asked for it"})
    for run in ids[1:]:
        opened.tracking.runs.update(run, status="FINISHED")
        opened.tracking.runs.delete(run)
    opened.tracking.bind()
    opened.close()
    before = bytes_of(folder)
    assert all(word in before for word in (b"NAME-0050", b"METRIC-0050", b"PARAM-0050", b"TAG-0050", b"WEIGHTS-0050"))

    told = flyball("clean", "--dry-run", folder=folder).answer()
    assert told["removed"]["deleted_runs"]["count"] == len(gone)
    done = flyball("clean", folder=folder).answer()
    assert done["removed"]["deleted_runs"]["count"] == len(gone)
    assert done["removed"]["deleted_runs"]["bytes"] >= len(gone) * 60_000
    assert any("1 deleted runs stay" in note for note in done["notes"])

    after = bytes_of(folder)
    for number in range(2, RUNS + 3):
        for word in ("NAME", "METRIC", "PARAM", "TAG", "DATA", "WEIGHTS"):
            assert f"{word}-{number:04d}".encode() not in after, (word, number)
    with closing(fb.open(folder)) as again:
        assert again.tracking.runs.get(kept).params["secret"] == "PARAM-0000"
        assert again.tracking.runs.get(held).stage == "deleted"
        root = again.tracking.runs.get(kept).location.partition(":")[2].strip("/")
        entry = again.tracking.files.find(f"{root}/model/readme.txt")
        with again.tracking.files.open(entry) as shared:
            assert shared.read() == b"the same for every run" * 100
        removed = list(again.ledger.entries(what="runs.removed"))
        assert {run for entry in removed for run in again.ledger.payload(entry.seq)["runs"]} == set(gone)
        assert all("retention.deleted_runs" in entry.why for entry in removed)
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    assert flyball("clean", folder=folder).answer()["removed"]["deleted_runs"]["count"] == 0


def test_without_the_rule_deleted_runs_stay(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    opened = project(folder)
    (folder / "flyball.toml").write_text('[project]\nname = "shop"\n', "utf-8")
    run = planted(opened, 1)
    opened.tracking.runs.delete(run)
    opened.close()
    assert flyball("clean", folder=folder).answer()["removed"] == {}
    with closing(fb.open(folder)) as again:
        again.tracking.runs.restore(run)
        assert again.tracking.runs.get(run).tags["note"] == "TAG-0001"
