"""Run benchmarks: `python -m benchmarks` (all) or `python -m benchmarks start runtime_score`.

Each benchmark is a module with `main() -> dict`; its result is printed and kept as JSON in `benchmarks/results/`.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main() -> int:
    """0 when every target that a benchmark states was met."""
    chosen = sys.argv[1:] or NAMES
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    missed = False
    for name in chosen:
        print(f"== {name}", flush=True)
        try:
            result = importlib.import_module(f"benchmarks.{name}").main()
        except SystemExit as ended:  # its tables are not at hand; the others go on
            print(ended, file=sys.stderr)
            missed = True
            continue
        result["machine"] = {"python": platform.python_version(), "processor": platform.machine()}
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        missed = missed or not result.get("met", True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
