"""The unmodified client with a server that keeps its files in a bucket: `python bucket_steps.py --ours URL --log FILE`.

There is nothing to compare with: MLflow's own server needs other packages for it. 0 when every file came back as it was,
large ones in parts past the server, and nothing of a sending that was refused is to be seen.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

MB = 1 << 20
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet", TQDM_DISABLE="1",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=str(6 * MB), MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=str(5 * MB),
    MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE=str(4 * MB),
)  # fmt: skip

import mlflow  # noqa: E402
import numpy as np  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--log", required=True, type=Path)
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.ours)
    with tempfile.TemporaryDirectory() as name:
        _files(Path(name), options.log)
    _model()
    print("bucket: files in parts, small files and a model went there and came back", flush=True)
    return 0


def _files(folder: Path, log: Path) -> None:
    sent = {"large.bin": os.urandom(17 * MB + 3), "späß 100%.bin": b"small", "empty": b""}
    for name, content in sent.items():
        (folder / name).write_bytes(content)
    with mlflow.start_run() as run:
        for name in sent:
            mlflow.log_artifact(str(folder / name), "deep/er")
    client, identity = MlflowClient(), run.info.run_id
    found = {Path(one.path).name: one.file_size or 0 for one in client.list_artifacts(identity, "deep/er")}
    assert found == {name: len(content) for name, content in sent.items()}, found
    root = Path(client.download_artifacts(identity, "deep/er", str(folder)))
    for name, content in sent.items():
        assert (root / name).read_bytes() == content, name
    asked = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    paths = [line["path"].partition("/mlflow-artifacts/")[2] for line in asked if "/mlflow-artifacts/" in str(line)]
    for part in ("mpu/create/", "mpu/complete/", "presigned/"):
        assert any(path.startswith(part) for path in paths), part
    past = [path for path in paths if path.startswith(("parts/", "blobs/"))]
    assert not past, f"these should have gone past the server: {past}"


def _model() -> None:
    rows = np.random.default_rng(7).normal(size=(50, 3))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    with mlflow.start_run():
        told = mlflow.sklearn.log_model(model, name="model", registered_model_name="in a bucket")
    loaded = mlflow.sklearn.load_model(told.model_uri)
    assert (loaded.predict(rows) == model.predict(rows)).all()
    assert (mlflow.pyfunc.load_model("models:/in a bucket/1").predict(rows) == model.predict(rows)).all()


if __name__ == "__main__":
    sys.exit(main())
