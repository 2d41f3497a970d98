"""Commands in processes that may be killed: how the crash tests and the soak run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = [sys.executable, "-m", "flyball"]


def make_table(path: Path, *, rows: int = 300, seed: int = 5) -> Path:
    """A small table with a number, a category, a date and a binary target that depends on them."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(50, 10, rows).round(2)
    site = rng.choice(["north", "south", "east"], rows)
    failed = (speed + 8 * (site == "south") + rng.normal(0, 6, rows) > 58).astype(int)
    lines = [f"{a},{b},{c}" for a, b, c in zip(speed, site, failed, strict=True)]
    path.write_text("speed,site,failed\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def flyball(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command to its end (or its kill)."""
    return subprocess.run(
        [*COMMAND, *arguments, "--dir", str(folder), "--json"],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object that a command printed; a failure shows what it said."""
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def killed_after(seconds: float, *arguments: str, folder: Path) -> bool:
    """Kill a command after a while, with all its children; whether it was still running."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--dir", str(folder), "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(seconds)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def assert_whole(folder: Path) -> int:
    """Everything verifies and nothing is half registered; how many versions there are."""
    verified = answer(flyball("audit", "verify", folder=folder))
    assert verified["ok"], verified["problems"]
    models = answer(flyball("status", folder=folder))["models"]
    versions = models[0]["versions"] if models else 0
    for number in range(1, versions + 1):
        bundle = folder / ".flyball" / "bundles" / "plant" / str(number)
        assert (bundle / "manifest.json").exists()
        assert (bundle / "signature").exists()
    return versions
