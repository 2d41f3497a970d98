"""Several processes on one project at once: each ends well, and what they registered is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.command_line import flyball
from support.projects import make_project, standing


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flyball", *words, "--dir", str(folder), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_runs_at_once_both_end_well_or_one_says_why(tmp_path: Path) -> None:
    made = standing("binary")
    folder, _ = make_project(tmp_path / "p", made.source, made.init["target"])
    processes = [start(folder, "run", "--budget", "1s") for _ in range(2)]
    numbers = set()
    for process in processes:
        out, err = process.communicate(timeout=240)
        answer = json.loads(out)
        assert process.returncode == 0, (out, err)
        numbers.add(answer["version"])
    (model,) = flyball("status", folder=folder).answer()["models"]
    assert numbers <= set(range(1, model["versions"] + 1))
    assert model["versions"] == len(numbers)
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
    again = flyball("run", "--budget", "1s", folder=folder).answer()
    assert again["reused"] == ["read", "look", "train", "prove"]


def test_promotions_at_once_leave_one_alias_and_every_move_in_its_history(tmp_path: Path) -> None:
    folder = standing("binary").copy(tmp_path / "p")
    aliases = ["red", "green", "blue"]
    processes = [start(folder, "promote", "plant@1", alias, "--reason", "at once") for alias in aliases * 2]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, (out, err)
    (model,) = flyball("status", folder=folder).answer()["models"]
    assert sorted(alias["alias"] for alias in model["aliases"]) == sorted(aliases)
    assert flyball("audit", "verify", folder=folder).answer()["ok"]
