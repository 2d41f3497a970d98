"""Environments of the peers that benchmarks measure against: one a peer, made once, never part of Flyball's own."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["peer_python"]

HOME = Path(__file__).parents[1] / "build" / "peers"


def peer_python(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of an environment that holds `requirements`; made anew when they change."""
    home = HOME / name
    python, said = home / "bin" / "python", home / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if python.is_file() and said.is_file() and said.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {name}: {', '.join(requirements)}", file=sys.stderr, flush=True)
    venv.create(home, clear=True, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], check=True
    )
    said.write_text(wanted, encoding="utf-8")
    return python
