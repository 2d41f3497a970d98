"""A thousand deleted runs with files of their own: what `flyball clean` frees, how long it takes, and whether a byte stays.

Every run has a name, a metric, a parameter, a tag, data and a file that are its alone, and a file that all share with one run
that is kept. Afterwards every file of the project is searched for anything of them.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flyball as fb
from flyball.tracking import DatasetInput, Metric

RUNS = 1000
FILE_BYTES = 64_000
OWN = re.compile(rb"(NAME|METRIC|PARAM|TAG|DATA|WEIGHTS)-(?!00000)\d{5}")
RULE = '[project]\nname = "shop"\n\n[retention]\ndeleted_runs = "0s"\n'


def main() -> dict[str, Any]:
    """Seconds, bytes on the disk before and after, and what of the runs was found afterwards."""
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as name:
        folder = Path(name)
        (folder / "flyball.toml").write_text(RULE, "utf-8")
        project = fb.open(folder)
        runs = [planted(project, number) for number in range(RUNS + 1)]
        project.tracking.bind()
        for run in runs[1:]:
            project.tracking.runs.delete(run)
        before = size(folder)
        assert left(folder)
        began = time.perf_counter(), time.process_time()
        cleaned = project.clean()
        seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        removed = cleaned.to_dict()["removed"]["deleted_runs"]["count"]
        verified = project.registry.verify().ok
        shared = next(
            entry for entry in project.tracking.files.listing(root(project, runs[0])) if entry.name == "readme.txt"
        )
        with project.tracking.files.open(shared) as file:
            kept = file.read() == SHARED
        project.close()
        after, found = size(folder), left(folder)
    print(f"{removed:,} runs removed in {seconds:.1f} s ({cpu:.1f} s of the processor)")
    print(f"{before / 1e6:.1f} MB on the disk before, {after / 1e6:.1f} after")
    print(f"left of them: {sorted(found)[:5] or 0}; the shared file is {'there' if kept else 'gone'}")
    met = removed == RUNS and not found and kept and verified and after < before / 10
    return {
        "runs": removed,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "bytes": [before, after],
        "left": len(found),
        "met": met,
    }


SHARED = b"the same for every run" * 100


def planted(project: fb.Project, number: int) -> str:
    """A run that is finished."""
    tracking, own = project.tracking, f"{number:05d}"
    run = tracking.runs.create(0, name=f"NAME-{own}")
    tracking.runs.log(
        run.id, metrics=[Metric(f"METRIC-{own}", 0.5, 1, step) for step in range(20)], params={"p": f"PARAM-{own}"},
        tags={"t": f"TAG-{own}"},
    )  # fmt: skip
    tracking.runs.log_inputs(run.id, [DatasetInput(f"DATA-{own}", "d1", "local", "{}")])
    content = f"WEIGHTS-{own} ".encode()
    tracking.files.put(f"{root(project, run.id)}/weights.bin", content * (FILE_BYTES // len(content)))
    tracking.files.put(f"{root(project, run.id)}/readme.txt", SHARED)
    tracking.runs.update(run.id, status="FINISHED")
    return run.id


def root(project: fb.Project, run: str) -> str:
    return project.tracking.runs.get(run).location.partition(":")[2].strip("/")


def size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def left(folder: Path) -> set[bytes]:
    """Whatever is still written of the runs, in any file."""
    return {match.group() for path in folder.rglob("*") if path.is_file() for match in OWN.finditer(path.read_bytes())}


if __name__ == "__main__":
    sys.exit(0 if main()["met"] else 1)
