"""Options that every command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["AsJson", "ProjectFolder"]

ProjectFolder = Annotated[
    Path | None,
    Parameter(
        name="--dir",
        help="The project's folder. Default: this folder or the nearest one above it with a flyball.toml.",
    ),
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON object.")]
