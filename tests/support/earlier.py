"""Earlier versions of Flyball, taken from this repository's history, to write the stores that this version must open."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from support.servers import Process

__all__ = ["EARLIER", "Earlier", "has_history", "take", "tracked_work"]

ROOT = Path(__file__).resolve().parents[2]

EARLIER = {
    "0002_predictions": "7333b7cc",
    "0003_watch": "09caa98d",
    "0005_leases": "c52859cc",
    "0006_sessions": "cefacf8b",
    "0007_webhooks": "2a9bbce6",
}
"""A revision of the store, and the last commit that had it as its newest; oldest first."""


@dataclass(frozen=True)
class Earlier:
    """The code of an earlier version; its third-party packages are those of this one."""

    revision: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        paths = (self.folder / "src", self.folder / "runtime" / "src")
        return {"PYTHONPATH": os.pathsep.join(map(str, paths))}

    def flyball(self, *words: object) -> dict[str, Any]:
        """One command with `--json`, to its good end."""
        command = [sys.executable, "-m", "flyball", *map(str, words), "--json"]
        ended = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
        answer = json.loads(ended.stdout)
        assert isinstance(answer, dict)
        return answer

    @property
    def tracks(self) -> bool:
        """Whether it has `flyball server`."""
        return self.revision >= "0004"


def has_history() -> bool:
    """Whether this is a full clone. Only an archive and a shallow clone have no history, and nothing else may go without."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return False
    asked = ["git", "rev-list", "--count", "HEAD"], ["git", "rev-parse", "--is-shallow-repository"]
    commits, shallow = (
        subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout for words in asked
    )
    return shallow.strip() == "false" and int(commits) > 1


def take(revision: str, folder: Path) -> Earlier:
    """Unpack the last version whose store had this revision into an empty folder."""
    packed = subprocess.run(
        ["git", "archive", EARLIER[revision], "src", "runtime/src"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Earlier(revision, folder)


def tracked_work(version: Earlier, folder: Path) -> str:
    """Runs, metrics, a file and a registered model with an alias, by the protocol of tracking; the run's id."""
    server = Process(folder, environment=version.environment)

    def call(path: str, /, **body: object) -> Mapping[str, Any]:
        request = urllib.request.Request(
            f"{server.url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())  # type: ignore[no-any-return]

    experiment = call("experiments/create", name="furnaces")["experiment_id"]
    run = call("runs/create", experiment_id=experiment, run_name="first", start_time=1_760_000_000_000)["run"]["info"]
    points = [{"key": "loss", "value": 1 / (step + 1), "step": step, "timestamp": step} for step in range(300)]
    call("runs/log-batch", run_id=run["run_id"], metrics=points, params=[{"key": "depth", "value": "4"}],
         tags=[{"key": "stage", "value": "draft"}])  # fmt: skip
    place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{place}/notes.txt", b"seen" * 1000, method="PUT"
    )
    urllib.request.urlopen(request, timeout=60).close()
    call("runs/update", run_id=run["run_id"], status="FINISHED", end_time=1_760_000_001_000)
    call("registered-models/create", name="outside", description="made elsewhere")
    call("model-versions/create", name="outside", source=f"runs:/{run['run_id']}/model", run_id=run["run_id"])
    call("registered-models/set-tag", name="outside", key="owner", value="plant 4")
    assert server.end(signal.SIGTERM) == 0
    return str(run["run_id"])
