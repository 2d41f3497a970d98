"""A hundred kills at random instants of `flyball run` and `flyball promote`; each time everything verifies."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np

from support.loop_trials import answer, assert_whole, flyball, killed_after, make_table

KILLS = 100


def test_a_hundred_kills_at_random_instants_lose_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    folder = tmp_path / "plant"
    answer(flyball("init", "plant", "--from", str(make_table(tmp_path / "t.csv")), "--target", "failed", folder=folder))
    pristine = tmp_path / "pristine"
    shutil.copytree(folder, pristine)
    began = time.monotonic()
    answer(flyball("run", "--budget", "1s", folder=folder))
    whole_run = time.monotonic() - began
    registered = tmp_path / "registered"
    shutil.copytree(folder, registered)
    began = time.monotonic()
    answer(flyball("promote", "plant@1", "production", "--reason", "soak", folder=folder))
    whole_promotion = time.monotonic() - began
    interrupted = 0
    for trial in range(KILLS):
        run = trial % 2 == 0
        shutil.rmtree(folder)
        shutil.copytree(pristine if run else registered, folder)
        command = ("run", "--budget", "1s") if run else ("promote", "plant@1", "production", "--reason", "soak")
        interrupted += killed_after(rng.uniform(0, whole_run if run else whole_promotion), *command, folder=folder)
        assert_whole(folder)
        done = answer(flyball(*command, folder=folder))
        assert done["version"] == 1
        assert_whole(folder)
    print(f"{interrupted} of {KILLS} commands were killed before their end; every one was survived")
    assert interrupted > KILLS // 2
