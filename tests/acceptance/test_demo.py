"""The demo: the whole loop on real data, and a second run that reuses what did not change."""

from __future__ import annotations

import os
import re
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
    for done in outputs:
        healthy, shifted = done.stdout.split("reports pound-feet")
        assert "machines is healthy" in healthy
        last = shifted.rpartition("$ flyball watch machines")[2]
        assert re.search(r"^alert \d+  .*open: machines@1", last, re.MULTILINE)
        assert re.search(r"^  Torque \[Nm\]  median 2\d", last, re.MULTILINE)
        others = ("Type", "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Tool wear [min]")
        assert not any(f"\n  {name}  " in last for name in others)
    assert not re.search(r"^ *\d+  @1 .* alarm ", first.stdout.split("reports pound-feet")[0], re.MULTILINE)
    assert re.search(r"^ *3  @1 .* alarm ", first.stdout, re.MULTILINE)
    assert "$ flyball alerts resolve" not in first.stdout
    assert "$ flyball alerts resolve" in second.stdout
    assert second.stderr.count("reused") >= 4
    assert "machines@2" not in second.stdout
