"""Files and functions stay small: `python tools/check_sizes.py` names each that is not.

No file over 600 lines; the median near 120 and at least 95 % of the functions within 45 lines.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

MAX_FILE_LINES = 600
MAX_MEDIAN_LINES = 180
MAX_FUNCTION_LINES = 45
MIN_SHORT_SHARE = 0.95
SOURCES = ("src", "runtime/src")
ENDINGS = {".py", ".ts", ".svelte", ".css"}


def main() -> int:
    """Print what breaks the limits; 0 when nothing does."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    paths = tracked(root)
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    faults = [
        f"{path}: {lines} lines, {MAX_FILE_LINES} at most" for path, lines in lengths.items() if lines > MAX_FILE_LINES
    ]
    sources = [path for path in paths if path.suffix == ".py" and path.relative_to(root).as_posix().startswith(SOURCES)]
    median = statistics.median([lengths[path] for path in sources if lengths[path] > 5] or [0])
    if median > MAX_MEDIAN_LINES:
        faults.append(f"the median source file has {median:.0f} lines, {MAX_MEDIAN_LINES} at most")
    functions = [item for path in sources for item in measure(path)]
    long = [item for item in functions if item[1] > MAX_FUNCTION_LINES]
    share = 1 - len(long) / max(1, len(functions))
    if share < MIN_SHORT_SHARE:
        faults.append(
            f"{share:.1%} of the functions are within {MAX_FUNCTION_LINES} lines, {MIN_SHORT_SHARE:.0%} at least"
        )
        faults += [f"  {name}: {lines} lines" for name, lines in sorted(long, key=lambda item: -item[1])]
    print(
        "\n".join(faults)
        if faults
        else f"sizes: {len(paths)} files, {len(functions)} functions, median {median:.0f} lines, {share:.1%} short"
    )
    return 1 if faults else 0


def tracked(root: Path) -> list[Path]:
    """Source files of the checkout: tracked, or new and not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listing.stdout.splitlines() if Path(name).suffix in ENDINGS]
    return [root / name for name in names if (root / name).is_file()]


def measure(path: Path) -> list[tuple[str, int]]:
    """Every function of a file with its length in lines, its docstring not counted."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                first = node.body[0]
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            found.append((f"{path}:{node.lineno} {node.name}", lines))
    return found


if __name__ == "__main__":
    sys.exit(main())
