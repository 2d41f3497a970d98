"""Build the documentation into docs/_build/html; any warning is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """The exit code of Sphinx."""
    output = ROOT / "docs" / "_build" / "html"
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(output),
    ]
    code = subprocess.run(command, cwd=ROOT).returncode
    print(
        f"documentation: {output.relative_to(ROOT)}/index.html" if code == 0 else "the documentation has faults (above)"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
