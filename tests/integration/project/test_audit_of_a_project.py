"""`flyball audit verify` over a real project: what was changed, cut or rolled back is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import flyball
from support.projects import standing

STATE = ".flyball"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return standing("binary").copy(tmp_path / "p")


def problems(folder: Path, *words: object) -> list[dict[str, str]]:
    """What the audit finds; that it finds something ends it with 1."""
    told = flyball("audit", "verify", *words, folder=folder).answer(code=1)
    assert told["ok"] is False
    found: list[dict[str, str]] = told["problems"]
    assert found
    return found


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place if place >= 0 else len(content) // 2] ^= 0x20
    path.write_bytes(content)


@pytest.mark.parametrize(
    "file", ["model.onnx", "manifest.json", "golden.npz", "reference.npz", "card.md", "sbom.cdx.json", "signature"]
)
def test_a_flipped_byte_in_a_bundle_is_named_and_the_bundle_not_used(file: str, folder: Path, tmp_path: Path) -> None:
    flip(folder / STATE / "bundles" / "plant" / "1" / file)
    assert any(file in problem["where"] + problem["what"] for problem in problems(folder))
    source = standing("binary").source
    ended = flyball("predict", "plant@1", source, tmp_path / "out.csv", folder=folder)
    assert ended.code in (1, 2)
    assert not (tmp_path / "out.csv").exists()


def test_a_file_added_to_or_taken_from_a_bundle_is_named(folder: Path) -> None:
    bundle = folder / STATE / "bundles" / "plant" / "1"
    (bundle / "extra.py").write_text("print(1)")
    assert any("extra.py" in problem["where"] + problem["what"] for problem in problems(folder))
    (bundle / "extra.py").unlink()
    (bundle / "card.md").unlink()
    assert any("card.md" in problem["where"] + problem["what"] for problem in problems(folder))


def artifacts(folder: Path) -> Iterator[Path]:
    return (path for path in sorted((folder / STATE / "artifacts").rglob("*")) if path.is_file())


def test_a_flipped_byte_in_any_bound_artifact_is_named(folder: Path) -> None:
    bound = 0
    for path in artifacts(folder):
        flip(path)
        told = flyball("audit", "verify", folder=folder)
        if told.code:
            bound += 1
            assert any(path.name in problem["where"] for problem in told.answer(code=1)["problems"])
        flip(path)
    assert bound >= 8
    assert flyball("audit", "verify", folder=folder).answer()["ok"]


def test_a_run_after_an_artifact_was_damaged_makes_it_again(folder: Path) -> None:
    for path in artifacts(folder):
        flip(path)
    again = flyball("run", "--budget", "1s", folder=folder).answer()
    assert again["reused"] in (["look"], [])
    assert again["parity"]["max_abs_diff"] <= 1e-5


def test_a_store_put_back_to_an_earlier_state_is_found_by_a_later_checkpoint(folder: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(folder / STATE, earlier)
    flyball("promote", "plant@1", "staging", "--reason", "later", folder=folder).answer()
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(flyball("audit", "anchor", folder=folder).answer()), encoding="utf-8")
    assert flyball("audit", "verify", "--checkpoint", kept, folder=folder).answer()["ok"]

    shutil.rmtree(folder / STATE)
    shutil.copytree(earlier, folder / STATE)
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    found = problems(folder, "--checkpoint", kept)
    assert any("roll" in problem["means"] for problem in found)
    assert any("kept.json" in problem["where"] or "given" in problem["where"] for problem in found)


def test_only_the_database_put_back_is_found_without_any_kept_checkpoint(folder: Path) -> None:
    earlier = {path.name: path.read_bytes() for path in (folder / STATE).glob("flyball.db*")}
    flyball("promote", "plant@1", "staging", "--reason", "later", folder=folder).answer()
    for path in (folder / STATE).glob("flyball.db*"):
        path.unlink()
    for name, content in earlier.items():
        (folder / STATE / name).write_bytes(content)
    assert any("head.json" in problem["where"] for problem in problems(folder))


def test_a_checkpoint_of_another_project_or_none_at_all_is_told_apart(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(
        json.dumps(flyball("audit", "anchor", folder=standing("regression").folder).answer()), encoding="utf-8"
    )
    assert problems(folder, "--checkpoint", other)
    forged = tmp_path / "forged.json"
    anchor = flyball("audit", "anchor", folder=folder).answer()
    forged.write_text(json.dumps({**anchor, "size": anchor["size"] + 5}), encoding="utf-8")
    assert problems(folder, "--checkpoint", forged)
    (tmp_path / "junk.json").write_bytes(b"\xff{")
    for name in ("junk.json", "missing.json"):
        error = flyball("audit", "verify", "--checkpoint", tmp_path / name, folder=folder).error(2)
        assert error["code"] == "FB-PROJECT-006"
    (tmp_path / "list.json").write_text("[1, 2]")
    assert flyball("audit", "verify", "--checkpoint", tmp_path / "list.json", folder=folder).code in (1, 2)


def test_tables_rebuilt_from_the_ledger_are_the_same(folder: Path) -> None:
    flyball("promote", "plant@1", "staging", "--reason", "r", folder=folder).answer()
    before = flyball("status", folder=folder).answer()
    rebuilt = flyball("audit", "rebuild", folder=folder).answer()
    assert rebuilt["rows"]["alias_history"] == 1
    assert flyball("status", folder=folder).answer() == before
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
