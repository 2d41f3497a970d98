"""The documentation runs: every block of the tutorials and how-to guides, in order, as a reader would type it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.postgres import PostgresServer

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted([*DOCS.glob("tutorials/*.md"), *DOCS.glob("howto/*.md")])
WRITTEN = sorted(page for page in DOCS.rglob("*.md") if not {"generated", "_build"} & set(page.parts))
TUTORIAL = DOCS / "tutorials" / "first-model.md"
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = {"bash", "python"}
READ = {"text", "toml", "json"}
VERIFYING = {"sh", "console"}  # howto/verify-a-bundle: the tests of bundle signatures run its script
PORT = re.compile(r"\b83\d\d\b")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def script_of(page: Path, folder: Path) -> str:
    """The page as one shell script: its Python blocks become files that run where the shell stands."""
    lines = ["set -euo pipefail", "PS4='$ '", "set -x"]
    for number, (language, text) in enumerate(blocks(page)):
        if language == "python":
            file = folder / f"block{number}.py"
            file.write_text(text, encoding="utf-8")
            lines.append(f"python -W error::DeprecationWarning {file}")
        elif language == "bash":
            lines.append(text)
    return on_free_ports("\n".join(lines), folder)


def on_free_ports(script: str, folder: Path) -> str:
    """The script, and the Python files it runs, with every port that a page names replaced by a free one."""
    files = list(folder.glob("block*.py"))
    ports = {port for text in (script, *(file.read_text("utf-8") for file in files)) for port in PORT.findall(text)}
    with contextlib.ExitStack() as held:  # all at once, so that no two are the same
        sockets = {port: held.enter_context(socket.create_server(("127.0.0.1", 0))) for port in sorted(ports)}
        free = {port: str(listener.getsockname()[1]) for port, listener in sockets.items()}
    for file in files:
        file.write_text(PORT.sub(lambda found: free[found[0]], file.read_text("utf-8")), encoding="utf-8")
    return PORT.sub(lambda found: free[found[0]], script)


def follow(page: Path, folder: Path, *, server: PostgresServer | None = None) -> None:
    """Type everything on a page in `folder`; an error shows the last that was printed. `server`: what the page's URLs mean."""
    inner = folder.with_name(folder.name + "-blocks")
    inner.mkdir()
    script = script_of(page, inner)
    process = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=plain_environment(server), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=280)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a server that a failing page left behind
        process.wait()
    assert process.returncode == 0, printed[-6000:]


def plain_environment(server: PostgresServer | None = None) -> dict[str, str]:
    """A reader's environment: nothing that this machine sets to make Python behave otherwise."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FLYBALL_", "PYTHON"))}
    at_hand = {} if server is None else server.environment(path)
    return {**inherited, "PATH": path, "COLUMNS": "120", "TERM": "dumb", **at_hand}


def continues_the_tutorial(page: Path) -> bool:
    return "one from [the tutorial](../tutorials/first-model.md)" in page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def after_the_tutorial(repository: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder that a reader has after the tutorial; made once, whichever process comes first."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, done = shared / "tutorial", shared / "tutorial-done"
    with (shared / "tutorial-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            shutil.copytree(repository / "examples", folder / "examples")
            follow(TUTORIAL, folder)
            done.touch()
    return folder


@pytest.mark.timeout(600)
def test_the_tutorial_runs_and_leaves_a_promoted_version(after_the_tutorial: Path) -> None:
    bundle = after_the_tutorial / "tutorial" / ".flyball" / "bundles" / "machines" / "1"
    assert json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["model"] == "machines"
    head = json.loads((after_the_tutorial / "tutorial" / ".flyball" / "head.json").read_text(encoding="utf-8"))
    assert head


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", ["serve machines@1 --port 0", "console --port 0"])
def test_a_program_can_wait_on_a_pipe_for_the_line_that_a_server_prints(after_the_tutorial: Path, command: str) -> None:
    arguments = [*command.split(), "--json", "--dir", str(after_the_tutorial / "tutorial")]
    server = subprocess.Popen(
        [sys.executable, "-m", "flyball", *arguments], env=plain_environment(), stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        ready, _, _ = select.select([server.stdout], [], [], 60)
        assert ready, "nothing was printed within a minute"
        assert json.loads(server.stdout.readline())["url"].startswith("http://127.0.0.1:")
    finally:
        server.terminate()
        server.stdout.close()
    assert server.wait(timeout=30) == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in GUIDES if page != TUTORIAL], ids=lambda page: page.stem)
def test_a_guide_runs_from_its_first_block_to_its_last(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "reader"
    if continues_the_tutorial(page):
        shutil.copytree(request.getfixturevalue("after_the_tutorial"), folder)
    else:
        folder.mkdir()
    wants_postgres = "createdb" in page.read_text(encoding="utf-8")
    follow(page, folder, server=request.getfixturevalue("postgres") if wants_postgres else None)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_block_of_a_page_is_run_or_at_least_read(page: Path) -> None:
    known = RUN | READ | (VERIFYING if page.stem == "verify-a-bundle" else set())
    for language, text in blocks(page):
        if language.startswith("{"):
            continue  # a directive of the documentation itself
        assert language in known, f"a block in {language!r} is not run"
        if language == "toml":
            tomllib.loads(text)
        if language == "json":
            json.loads(text)


def test_every_toml_block_that_holds_a_whole_project_is_one(tmp_path: Path) -> None:
    from flyball.config import load_project

    whole = [text for page in WRITTEN for kind, text in blocks(page) if kind == "toml" and "[project]" in text]
    assert whole
    for text in whole:
        (tmp_path / "flyball.toml").write_text(text, encoding="utf-8")
        load_project(tmp_path)
