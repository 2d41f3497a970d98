"""The command line. `main` is what the `flyball` program calls."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 1 refused, 2 bad input or usage, 3 internal error."""
    from flyball.cli.app import run

    return run(sys.argv[1:] if arguments is None else arguments)
