"""The README walks a stranger through the loop: every block in it runs, in order, in one folder."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE_TARGETS = re.compile(r"^make (\w+)", re.MULTILINE)


def blocks(readme: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return BLOCK.findall(readme.read_text(encoding="utf-8"))


def test_the_first_commands_are_make_demo_and_make_test_and_exist(repository: Path) -> None:
    language, text = blocks(repository / "README.md")[0]
    assert language == "bash"
    assert MAKE_TARGETS.findall(text) == ["demo", "test"]
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in ("demo", "test"))


@pytest.mark.timeout(900)
def test_every_block_of_the_readme_runs(repository: Path, tmp_path: Path) -> None:
    """Shell blocks share one shell, as a reader's terminal would; Python blocks run where that shell stands."""
    shutil.copytree(repository / "examples", tmp_path / "examples")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = str(probe.getsockname()[1])
    script = ["set -euo pipefail"]
    for number, (language, text) in enumerate(blocks(repository / "README.md")[1:]):
        if language == "python":
            file = tmp_path / f"block{number}.py"
            file.write_text(text, encoding="utf-8")
            script.append(f"python -W error::DeprecationWarning {file}")
        else:
            assert language == "bash", f"a block in {language!r} would not be run"
            script.append(text.replace("8321", free))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=840,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    assert "TWF" in done.stdout
    assert (tmp_path / "plant" / "scored.csv").exists()
    assert (tmp_path / "plant" / "tumours" / "manifest.json").exists()
