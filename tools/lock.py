"""Resolve `locks/*.txt` anew: what the product needs (`base`), what its developers need on top (`dev`), what
`make conformance` compares with (`conformance`), and the installer that fetches them where there is none (`setup`).

The lock files carry versions and hashes and name no package index, so that mirrors work unchanged.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet",
          "--no-emit-package", "flyball-runtime", "--no-emit-index-url", "--upgrade"]  # fmt: skip


def main() -> int:
    """Write the lock files; `dev` is resolved under the constraints of `base`."""
    uv = shutil.which("uv")
    if not uv:
        print("FB-SETUP-002  uv is not on the PATH\n  fix  pip install uv", file=sys.stderr)
        return 2
    projects = ["pyproject.toml", "runtime/pyproject.toml"]
    base = [uv, "pip", "compile", *COMMON, *projects, "--group", "build", "-o", "locks/base.txt"]
    groups = ["--group", "build", "--group", "dev", "--group", "docs", "-c", "locks/base.txt"]
    dev = [uv, "pip", "compile", *COMMON, *projects, *groups, "-o", "locks/dev.txt"]
    conformance = [uv, "pip", "compile", *COMMON, "locks/conformance.in", "-o", "locks/conformance.txt"]
    setup = [uv, "pip", "compile", *COMMON, "-", "-o", "locks/setup.txt"]
    return (
        subprocess.run(base, cwd=ROOT).returncode
        or subprocess.run(dev, cwd=ROOT).returncode
        or subprocess.run(conformance, cwd=ROOT).returncode
        or subprocess.run(setup, cwd=ROOT, input=b"uv\n").returncode
    )


if __name__ == "__main__":
    sys.exit(main())
