"""Compare Flyball's server with MLflow's, through MLflow's unmodified client: `python tools/conformance.py`.

The client and its server live in an environment of their own (`.conformance/venv`, from `locks/conformance.txt`): 600 MB
that the product must never need. Both servers begin empty; `tests/conformance/drive.py` does the rest.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import setup  # noqa: E402

FOLDER = ROOT / ".conformance"
PYTHON = FOLDER / "venv" / "bin" / "python"
STARTED: dict[str, int] = {}  # by URL, the process that was started
LOCK = ROOT / "locks" / "conformance.txt"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_ALLOW_FILE_STORE": "true",
}  # fmt: skip


def main() -> int:
    """Prepare, start both servers, compare; 0 when they differ only where that is written down."""
    prepare()
    with tempfile.TemporaryDirectory(prefix="flyball-conformance-") as name:
        folder = Path(name)
        with theirs(folder / "theirs") as their_url, ours(folder / "ours") as our_url:
            command = [PYTHON, "drive.py", "--theirs", their_url, "--ours", our_url, *sys.argv[1:]]
            done = subprocess.run(command, cwd=ROOT / "tests" / "conformance", env=environment()).returncode
        return done if done or sys.argv[1:] else in_a_bucket(folder / "bucket") or exchange(folder)


def in_a_bucket(folder: Path) -> int:
    """The client with our server over an object store, which is a real server too, of the tests."""
    from support.object_store import object_server

    with object_server() as store, ours(folder, "--artifacts", store.bucket(), also=store.environment) as url:
        command = [PYTHON, "bucket_steps.py", "--ours", url, "--log", str(folder / "server.log")]
        return subprocess.run(command, cwd=ROOT / "tests" / "conformance", env=environment()).returncode


def exchange(folder: Path) -> int:
    """Fill a server of MLflow's and a folder without one, import each, export it again, and compare through its client; 0
    when every entity is the same."""
    failed = 0
    (folder / "served").mkdir()
    with theirs(folder / "served") as url:
        _stores("fill", url)
        _flyball(
            folder, "import", "mlflow", folder / "served" / "store.db", "--artifacts", folder / "served" / "artifacts"
        )
        with ours(folder / "imported") as our_url:
            failed += _stores("compare", url, our_url)
        _flyball(folder, "export", "mlflow", folder / "exported")
        with theirs(folder / "exported", store="sqlite:///mlflow.db") as exported:
            failed += _stores("compare", url, exported)
    shutil.rmtree(folder / "imported")
    _stores("fill", str(folder / "files" / "mlruns"))
    _flyball(folder, "import", "mlflow", folder / "files" / "mlruns")
    with theirs(folder / "files", store="mlruns") as files, ours(folder / "imported") as our_url:
        failed += _stores("compare", files, our_url, "folder")
    return 1 if failed else 0


def _stores(*words: str) -> int:
    """One act of `tests/conformance/stores.py`; what its client leaves in its folder goes with the folder."""
    with tempfile.TemporaryDirectory(prefix="flyball-conformance-") as folder:
        command = [PYTHON, ROOT / "tests" / "conformance" / "stores.py", *words]
        return subprocess.run(command, cwd=folder, env=environment()).returncode


def _flyball(folder: Path, *words: object) -> None:
    """A command of Flyball's over the project that stores are imported into."""
    project = folder / "imported"
    project.mkdir(exist_ok=True)
    (project / "flyball.toml").write_text('[project]\nname = "imported"\n')
    command = [sys.executable, "-m", "flyball", *map(str, words), "--dir", str(project)]
    if subprocess.run(command, env=environment(), stderr=subprocess.DEVNULL).returncode:
        raise SystemExit(f"this failed: {' '.join(command)}")


def prepare() -> None:
    """Bring `.conformance/venv` to what the lock file says."""
    stamp = FOLDER / "installed"
    wanted = LOCK.read_text()
    if PYTHON.exists() and setup.read(stamp) == wanted:
        return
    FOLDER.mkdir(exist_ok=True)
    installer = setup.Installer()
    install = ["pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", str(LOCK)]
    if installer.run("venv", "--clear", "--python", sys.executable, str(FOLDER / "venv")) or (
        installer.run(*install, "--offline", silent=True) and installer.run(*install)
    ):
        raise SystemExit("the packages of locks/conformance.txt were not installed: check the network, run it again")
    stamp.write_text(wanted)


@contextmanager
def theirs(folder: Path, *, workers: int | None = 1, store: str = "sqlite:///store.db") -> Iterator[str]:
    """MLflow's own server in a folder, over a store as seen from there; workers None: as many as it starts by itself."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [PYTHON, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", store,
               "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    command += [] if workers is None else ["--workers", str(workers)]
    with running(command, folder, f"http://127.0.0.1:{port}") as url:
        yield url


@contextmanager
def ours(folder: Path, *arguments: str, also: Mapping[str, str] | None = None) -> Iterator[str]:
    """Flyball's server over a project of its own. also: more of its environment."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "flyball", "server", "--port", str(port), "--dir", str(folder), *arguments]
    with running(command, folder, f"http://127.0.0.1:{port}", also=also) as url:
        yield url


@contextmanager
def running(command: list[object], folder: Path, url: str, *, also: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server while the block lasts; its own words are shown when it does not come up."""
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, env={**environment(), **(also or {})}, cwd=folder
        )
    STARTED[url] = server.pid
    try:
        wait_for(f"{url}/health", server, log)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 180) -> None:
    """Until the server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer:\n{log.read_text(errors='replace')[-4000:]}")


def environment() -> dict[str, str]:
    """Without what would change what a client or a server does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FLYBALL_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start would compile what an installation has compiled
    folder = Path(shutil.which("git") or "/usr/bin/git").parent
    return {**kept, **QUIET, "PATH": f"{PYTHON.parent}:{folder}:{os.environ.get('PATH', '')}"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
