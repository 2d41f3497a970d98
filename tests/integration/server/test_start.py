"""A tracking server starts without what only training, scoring and the console need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("numpy", "scipy", "sklearn", "lightgbm", "onnx", "onnxruntime", "duckdb", "fastapi", "alembic")
STARTED = f"""
import json, sys, threading
from pathlib import Path
from flyball.cli import main
import flyball.server.running as running
def ready(url):
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), flush=True)
project, _ = __import__("flyball.server", fromlist=["open_for_server"]).open_for_server(Path(sys.argv[1]))
stop = threading.Event()
running._Later.prepare = lambda self: stop.set()
running.serve(project, port=0, on_ready=ready, stop=stop)
"""


def test_a_server_that_is_ready_has_loaded_no_library_of_training(tmp_path: Path) -> None:
    for _ in ("made", "opened"):
        told = subprocess.run(
            [sys.executable, "-c", STARTED, str(tmp_path)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    assert json.loads(told.stdout) == []
