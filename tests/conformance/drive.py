"""Drive the unmodified client against two servers and compare all that they answer.

`python drive.py --theirs URL --ours URL`: 0 when they differ only where `differences.py` says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", GIT_PYTHON_REFRESH="quiet",
    MLFLOW_HTTP_REQUEST_TIMEOUT="60", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true", OMP_NUM_THREADS="1",
    TQDM_DISABLE="1", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
)  # fmt: skip
warnings.filterwarnings("ignore")

import logging  # noqa: E402

logging.getLogger("mlflow").setLevel(logging.ERROR)

import autolog_steps  # noqa: E402
import differences  # noqa: E402
import registry_steps  # noqa: E402
import search_steps  # noqa: E402
import tracking_steps  # noqa: E402
from pair import Pair  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--theirs", required=True)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--parts", default="tracking,search,registry,autolog")
    parser.add_argument("--examples", type=int, default=240)
    parser.add_argument("--show", type=int, default=20)
    options = parser.parse_args()
    pair = Pair(options.theirs, options.ours)
    parts = {
        "tracking": lambda: tracking_steps.steps(pair),
        "search": lambda: search_steps.steps(pair, options.examples),
        "registry": lambda: registry_steps.steps(pair, options.examples // 2),
        "autolog": lambda: autolog_steps.steps(pair),
    }
    for name in options.parts.split(","):
        began, before = time.monotonic(), len(pair.steps)
        parts[name]()
        made = pair.steps[before:]
        refused = sum("error_code" in step.theirs for step in made)
        took = time.monotonic() - began
        print(f"{name}: {len(made)} calls compared, {refused} of them refused, in {took:.0f} s", flush=True)
    return report(pair, options.show, whole=options.parts == parser.get_default("parts"))


def report(pair: Pair, most: int, *, whole: bool) -> int:
    other = [step for step in pair.steps if not step.same]
    found = [step for step in other if differences.allowed(step.name) is None]
    for step in found[:most]:
        pairs = enumerate(zip(step.theirs, step.ours, strict=False))
        same = next((place for place, (one, other) in pairs if one != other), 0)
        shown = slice(max(0, same - 300), same + 700)
        print(f"\nDIFFERS  {step.name}\n  theirs  …{step.theirs[shown]}\n  ours    …{step.ours[shown]}")
    unused = [
        pattern for pattern in differences.DIFFERENCES
        if whole and not any(differences.re.fullmatch(pattern, step.name, differences.re.DOTALL) for step in other)
    ]  # fmt: skip
    for pattern in unused:
        print(f"\nNO LONGER DIFFERS  {pattern}: take it off the list")
    failed = len(found) + len(unused)
    print(f"\n{len(pair.steps) - failed} passed, {failed} failed")
    return 1 if failed or len(differences.DIFFERENCES) > differences.MOST else 0


if __name__ == "__main__":
    sys.exit(main())
