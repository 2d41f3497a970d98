"""A kill at any durable write leaves the ledger whole, nothing half registered, and a next run that completes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.loop_trials import answer, assert_whole, flyball, killed_after, make_table

RUN = ("run", "--budget", "3 trials")  # work and not time, so that every run passes the same failpoints
PROMOTE = ("promote", "plant@1", "production", "--reason", "crash trial")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was made and never run."""
    folder = tmp_path_factory.mktemp("fresh")
    table = make_table(folder / "table.csv")
    answer(flyball("init", "plant", "--from", str(table), "--target", "failed", folder=folder / "plant"))
    return folder / "plant"


@pytest.fixture(scope="module")
def registered(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one version."""
    folder = tmp_path_factory.mktemp("registered") / "plant"
    shutil.copytree(fresh, folder)
    answer(flyball(*RUN, folder=folder))
    return folder


def failpoints(project: Path, workspace: Path, *command: str) -> list[str]:
    """Every failpoint that a command passes, with how often, as FLYBALL_FAILPOINT takes them: the last time of each."""
    folder, trace = workspace / "traced", workspace / "trace"
    shutil.copytree(project, folder)
    answer(flyball(*command, folder=folder, FLYBALL_FAILPOINT_TRACE=str(trace)))
    passed = trace.read_text(encoding="utf-8").split()
    points = {name: passed.count(name) for name in passed}
    return [f"{name}#{nth}" for name, count in points.items() for nth in sorted({1, count})]


@pytest.mark.timeout(900)
def test_a_kill_at_any_failpoint_of_a_run_is_survived(fresh: Path, tmp_path: Path) -> None:
    points = failpoints(fresh, tmp_path, *RUN)
    assert any(point.startswith("registry.register") for point in points)
    for place, point in enumerate(points):
        folder = tmp_path / str(place)
        shutil.copytree(fresh, folder)
        assert flyball(*RUN, folder=folder, FLYBALL_FAILPOINT=point).returncode == -9, point
        assert assert_whole(folder) in (0, 1), point
        resumed = answer(flyball(*RUN, folder=folder))
        assert resumed["version"] == 1, point
        assert assert_whole(folder) == 1, point
        shutil.rmtree(folder)


@pytest.mark.timeout(600)
def test_a_kill_at_any_failpoint_of_a_promotion_is_survived(registered: Path, tmp_path: Path) -> None:
    points = failpoints(registered, tmp_path, *PROMOTE)
    assert any(point.startswith("registry.alias") for point in points)
    for place, point in enumerate(points):
        folder = tmp_path / str(place)
        shutil.copytree(registered, folder)
        assert flyball(*PROMOTE, folder=folder, FLYBALL_FAILPOINT=point).returncode == -9, point
        assert assert_whole(folder) == 1, point
        promoted = answer(flyball(*PROMOTE, folder=folder))
        assert promoted["alias"] == "production", point
        assert answer(flyball("status", folder=folder))["models"][0]["aliases"][0]["number"] == 1
        shutil.rmtree(folder)


def test_a_run_killed_after_a_step_reuses_that_step(fresh: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plant"
    shutil.copytree(fresh, folder)
    sixth = "store.step:after-commit#6"  # read, look, three candidates, then the step itself
    assert flyball(*RUN, folder=folder, FLYBALL_FAILPOINT=sixth).returncode == -9
    assert answer(flyball(*RUN, folder=folder))["reused"] == ["read", "look", "train"]


@pytest.mark.timeout(600)
def test_kills_at_random_instants_are_survived(fresh: Path, tmp_path: Path) -> None:
    """A few here; `make soak` does a hundred."""
    folder = tmp_path / "plant"
    shutil.copytree(fresh, folder)
    for hundredths in (60, 150, 240, 330, 420, 510):
        killed_after(hundredths / 100, *RUN, folder=folder)
        assert assert_whole(folder) in (0, 1)
    assert answer(flyball(*RUN, folder=folder))["version"] == 1
