"""Files of runs: whatever breaks off goes on where it was, and nothing is there before it is whole and right."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flyball as fb
from flyball.client import Damaged, NoServer, Refusal, ServedFiles
from support.command_line import flyball
from support.door import Door
from support.object_store import ObjectServer
from support.servers import Process, until

MB = 1 << 20
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)


@pytest.fixture(scope="module", params=["folder", "bucket", "bucket without links"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that keeps its files in a folder, in a bucket, or in a bucket that its clients are not sent to."""
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        arguments = []
        if request.param != "folder":
            bucket: ObjectServer = request.getfixturevalue("object_store")
            for name, value in bucket.environment.items():
                patch.setenv(name, value)
            place = bucket.bucket()
            arguments = ["--artifacts", place]
            if request.param == "bucket without links":
                text = f'[project]\nname = "tracking"\nartifacts = "{place}"\nartifact_links = false\n'
                (folder / "flyball.toml").write_text(text)
                arguments = []
        running = Process(folder, *arguments, token=TOKEN)
        yield running
        running.end(signal.SIGTERM)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts a server over one and the same folder, to be killed."""
    started: list[Process] = []

    def one() -> Process:
        started.append(Process(tmp_path / "server", token=TOKEN))
        return started[-1]

    yield one
    for process in started:
        process.end(signal.SIGTERM)


def port(process: Process) -> int:
    return int(process.url.rpartition(":")[2])


def random_file(path: Path, size: int) -> tuple[Path, str]:
    data = os.urandom(MB) * (size // MB) + os.urandom(size % MB)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def test_files_large_and_small_go_there_and_come_back(tmp_path: Path, server: Process) -> None:
    url = server.url
    large, _ = random_file(tmp_path / "model" / "weights.bin", 20 * MB + 17)
    (tmp_path / "model" / "ünï code.txt").write_text("small")
    (tmp_path / "model" / "empty").touch()
    with fb.track(url, spool=tmp_path / "spool") as run:
        run.log_artifact(tmp_path / "model", "out")
        run.log_artifact(large)
        (tmp_path / "model" / "empty").write_text("changed after it was logged")
        assert run.flush(60)
    assert run.trouble is None
    assert list((tmp_path / "spool").iterdir()) == []
    found = flyball("track", "download", run.id, "out", "--to", str(tmp_path / "back"), "--url", url)
    assert len(found.answer()["files"]) == 3
    back = tmp_path / "back" / "out" / "model"
    assert back.joinpath("weights.bin").read_bytes() == large.read_bytes()
    assert back.joinpath("ünï code.txt").read_text() == "small"
    assert back.joinpath("empty").read_bytes() == b""
    assert [path.name for path in ServedFiles(url).download(run.id, "weights.bin", tmp_path / "one")] == ["weights.bin"]
    assert not list((tmp_path / "back").rglob(".*"))


def test_what_broke_off_goes_on_after_the_server_was_killed(tmp_path: Path, start: Callable[[], Process]) -> None:
    first = start()
    door = Door(port(first))
    large, digest = random_file(tmp_path / "large.bin", 40 * MB)
    door.cut(up=20 * MB, then=first.process.kill)
    run = fb.track(door.url, spool=tmp_path / "spool", system_every_s=None)
    run.log_artifact(large)
    assert not run.flush(1.0)
    assert door.was_cut.wait(60)
    artifacts = tmp_path / "server" / ".flyball" / "artifacts"
    assert not list(artifacts.glob("[0-9a-f][0-9a-f]/*"))  # nothing half-written is to be seen
    second = start()
    door.lead(port(second))
    until(lambda: run.flush(1.0))
    run.finish()
    assert door.up < 40 * MB + 8 * MB + MB  # the part that broke off is all that was sent twice
    assert (artifacts / digest[:2] / digest).read_bytes() == large.read_bytes()
    assert list((artifacts / "staging").iterdir()) == []

    door.down = 0
    door.cut(down=20 * MB, then=second.process.kill)
    target = tmp_path / "back"
    with pytest.raises(NoServer):
        ServedFiles(door.url).download(run.id, "large.bin", target)
    assert not (target / "large.bin").exists()
    door.lead(port(start()))
    fetched = ServedFiles(door.url).download(run.id, "large.bin", target)[0]
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == digest
    assert door.down < 41 * MB
    assert [path.name for path in target.iterdir()] == ["large.bin"]
    door.close()


def test_what_a_killed_trainer_had_flushed_is_sent_later(tmp_path: Path, server: Process) -> None:
    large, digest = random_file(tmp_path / "large.bin", 20 * MB)
    script = """
import os, signal, sys
import flyball as fb
run = fb.track(None, spool=sys.argv[1])
run.log_artifact(sys.argv[2], "models")
run.flush(0)
os.remove(sys.argv[2])
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    spool = tmp_path / ".flyball" / "spool"
    done = subprocess.run(
        [sys.executable, "-c", script, str(spool), str(large)], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    os.utime(next(spool.glob("*.jsonl")), (1, 1))
    url = server.url
    assert flyball("track", "sync", url, folder=tmp_path).answer()["sent"] == [done.stdout.strip()]
    fetched = ServedFiles(url).download(done.stdout.strip(), "models/large.bin", tmp_path / "back")[0]
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == digest
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("server", ["folder"], indirect=True)
def test_damage_on_the_server_never_becomes_a_file(tmp_path: Path, server: Process) -> None:
    small, digest = random_file(tmp_path / "small.bin", 3 * MB)
    with fb.track(server.url, spool=tmp_path / "spool", system_every_s=None) as run:
        run.log_artifact(small)
        assert run.flush(60)
    stored = server.folder / ".flyball" / "artifacts" / digest[:2] / digest
    stored.chmod(0o644)
    stored.write_bytes(b"x" + stored.read_bytes()[1:])
    with pytest.raises((Damaged, NoServer)):
        ServedFiles(server.url).download(run.id, "small.bin", tmp_path / "back")
    assert not (tmp_path / "back" / "small.bin").exists()
    whole = ["curl", "-sS", "-o", str(tmp_path / "got"), "-H", f"Authorization: Bearer {TOKEN}"]
    done = subprocess.run([*whole, artifact(server, run.id, "small.bin")], check=False, stderr=subprocess.DEVNULL)
    assert done.returncode == 18  # the transfer ended before everything had come
    until(lambda: any(line.get("error") == "ArtifactCorrupt" for line in server.lines))


def test_a_run_or_file_that_is_not_there_is_refused(tmp_path: Path, server: Process) -> None:
    with fb.track(server.url, spool=tmp_path / "spool", system_every_s=None) as run:
        run.log_artifact(tmp_path / "nothing-here")
        assert "nothing-here" in (run.trouble or "")
        assert run.flush(30)
    for asked in ((run.id, "nothing.bin"), ("0" * 32, "")):
        with pytest.raises(Refusal):
            ServedFiles(server.url).download(*asked, tmp_path / "back")
    told = flyball("track", "download", run.id, "--url", "nowhere").error(2)
    assert told["code"] == "FB-CLIENT-002"


def test_files_come_out_of_a_project_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FLYBALL_TRACKING_URI", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "flyball.toml").write_text('[project]\nname = "shop"\n')
    project = fb.open(tmp_path)
    run = project.tracking.runs.create(0).id
    for name, content in (("model/weights.bin", b"w" * 3_000_000), ("notes.txt", b"n")):
        project.tracking.files.put(f"0/{run}/artifacts/{name}", content)
    project.close()
    out = tmp_path / "out"
    assert len(flyball("track", "download", run, "--to", out, folder=tmp_path).answer()["files"]) == 2
    assert (out / "model" / "weights.bin").read_bytes() == b"w" * 3_000_000
    one = flyball("track", "download", run, "notes.txt", "--to", tmp_path / "one", folder=tmp_path).answer()
    assert one["files"] == [str(tmp_path / "one" / "notes.txt")]
    missing = flyball("track", "download", run, "nothing", "--to", out, folder=tmp_path).error(2)
    assert missing["code"] == "FB-TRACK-001"


@pytest.mark.parametrize("server", ["folder", "bucket without links"], indirect=True)
def test_memory_stays_bounded(tmp_path: Path, server: Process) -> None:
    """Both ways of sending and both of fetching: the peak of the server grows far less than the file is large."""
    large, _ = random_file(tmp_path / "large.bin", 96 * MB)
    small, _ = random_file(tmp_path / "small.bin", MB)
    before = 0
    for file in (small, large):
        before = before or _peak(server.process.pid)
        with fb.track(server.url, spool=tmp_path / "spool", system_every_s=None) as run:
            run.log_artifact(file)
            assert run.flush(120)
        ServedFiles(server.url).download(run.id, file.name, tmp_path / "back")
        for more in (["-T", str(file)], ["-o", os.devnull]):
            url = artifact(server, run.id, file.name)
            subprocess.run(["curl", "-fsS", "-H", f"Authorization: Bearer {TOKEN}", *more, url], check=True)
    assert _peak(server.process.pid) - before < 80 * MB


def artifact(server: Process, run: str, name: str) -> str:
    return f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/{name}"


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
