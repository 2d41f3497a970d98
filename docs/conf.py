"""How the documentation is built: Markdown through Sphinx, with the references generated from the code."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate

from flyball import __version__

project = "Flyball"
author = "The Flyball authors"
copyright = "2026, The Flyball authors"  # noqa: A001
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "generate.py"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Flyball {__version__}"
html_show_sphinx = False

generate.write_all(Path(__file__).parent / "reference" / "generated")
