"""The demo: the whole loop on real data, and a second run that reuses what did not change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(900)
def test_the_demo_ends_well_twice_and_reuses_steps(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "examples", tmp_path / "examples")
    outputs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "examples/demo.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=420,
            env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        outputs.append(done)
    first, second = outputs
    for column in ("TWF", "HDF", "PWF", "OSF"):
        assert column in first.stdout
    assert "every hash holds" in first.stdout
    assert second.stderr.count("reused") >= 4
    assert "machines@2" not in second.stdout
