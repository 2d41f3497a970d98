"""Make everything that a target of the Makefile needs, with nothing but Python: `python3 tools/setup.py demo|dev`.

The locked packages go into `.venv`; what is already there is left alone, so that a second call costs milliseconds.
Packages come from the installer's cache when it holds them all, and from the network only otherwise.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# What a target needs from the operating system: program -> Debian package.
SYSTEM = {
    "demo": {},
    "dev": {
        "chromium": "chromium",
        "openssl": "openssl",
        "sha256sum": "coreutils",
        "git": "git",
        "curl": "curl",
        "nginx": "nginx-light",
    },
}
LOCKS = {"demo": "base", "dev": "dev"}
COVERED_BY = {"demo": ("demo", "dev"), "dev": ("dev",)}
OLDEST_UV = (0, 8)  # knows every option that is used here


class SetupFailed(Exception):
    """Something is missing that cannot be had here; the message says what, and the command that mends it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"FB-SETUP-001  {what}\n  fix  {fix}")


def main() -> int:
    """Install for one target; 0 when everything is in place, 2 when the user has to do something first."""
    target = sys.argv[1] if len(sys.argv) > 1 else "dev"
    try:
        prepare(target)
    except SetupFailed as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    return 0


def prepare(target: str) -> None:
    """Bring the machine and `.venv` to what `target` needs. Raises SetupFailed."""
    if target not in LOCKS:
        raise SetupFailed(f"unknown target {target!r}", "use one of: " + ", ".join(LOCKS))
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one should read why it fails
        name = "demo" if target == "demo" else "test"
        what = f"Flyball needs Python 3.11 or newer, this is {sys.version.split()[0]}"
        raise SetupFailed(what, f"make PYTHON=python3.11 {name}")
    missing = [package for program, package in SYSTEM[target].items() if not on_path(program)]
    if missing:
        install_system(missing)
    wanted = {name: fingerprint(name) for name in COVERED_BY[target]}
    if PYTHON.exists() and any(read(stamp_of(name)) == wanted[name] for name in wanted):
        return
    started = time.monotonic()
    say(f"setting up .venv for `make {'demo' if target == 'demo' else 'test'}` (once)")
    install(Installer(), LOCKS[target])
    stamp_of(target).write_text(wanted[target])
    say(f"ready after {time.monotonic() - started:.0f} s")


def install(installer: Installer, lock: str) -> None:
    """Create .venv and fill it from a lock file; then both packages of this repository, editable."""
    if not PYTHON.exists() and installer.run("venv", "--clear", "--python", sys.executable, str(VENV)):
        raise SetupFailed("the folder .venv could not be made", "see the message above")
    locked = ["pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", f"locks/{lock}.txt"]
    if installer.run(*locked, "--offline", silent=True):
        say(f"downloading the packages of locks/{lock}.txt")
        if installer.run(*locked):
            raise SetupFailed(f"the packages of locks/{lock}.txt were not installed", "check the network, run it again")
    say("building the console and installing flyball")
    local = ["--offline", "--no-deps", "--no-build-isolation", "-e", "runtime", "-e", "."]
    if installer.run("pip", "install", "--python", str(PYTHON), *local):
        raise SetupFailed("flyball itself could not be installed", "see the message above")


class Installer:
    """uv: the one on the PATH if it works, else a private copy in the user's cache folder."""

    def __init__(self) -> None:
        self.environment = installer_environment()
        on_path = shutil.which("uv")
        self.program = Path(on_path) if on_path and self._works(Path(on_path)) else self._private()

    def run(self, *arguments: str, silent: bool = False) -> int:
        """One call; the exit code. Its own words are shown unless `silent`."""
        output = subprocess.DEVNULL if silent else None
        command = [self.program, "--quiet", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, stderr=output, stdout=output).returncode

    def _private(self) -> Path:
        lock = ROOT / "locks" / "setup.txt"
        version = lock.read_text().split()[0].replace("==", "-")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flyball"
        program = cache / version
        if not self._works(program):
            say("fetching the package installer (uv)")
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
                os.replace(self._fetch(lock, Path(folder) / "venv"), program)  # noqa: PTH105 - atomic, whoever else fetches
        return program

    def _fetch(self, lock: Path, folder: Path) -> Path:
        if importlib.util.find_spec("ensurepip") is None:
            install_system([f"python3.{sys.version_info.minor}-venv"])
        if subprocess.run([sys.executable, "-m", "venv", str(folder)], env=self.environment).returncode:
            raise SetupFailed("Python cannot make virtual environments here", "see the message above")
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "--require-hashes", "-r", lock], env=self.environment).returncode:
            fix = "check the network, or install uv by hand: https://docs.astral.sh/uv"
            raise SetupFailed("the package installer (uv) could not be fetched", fix)
        return folder / "bin" / "uv"

    def _works(self, program: Path) -> bool:
        try:
            said = subprocess.run([program, "--version"], env=self.environment, capture_output=True, text=True)
        except OSError:
            return False
        version = re.match(r"uv (\d+)\.(\d+)", said.stdout)
        return version is not None and (int(version[1]), int(version[2])) >= OLDEST_UV


def installer_environment() -> dict[str, str]:
    """The environment of uv, pip and npm: they trust what the system trusts, and uv asks the index that pip asks."""
    ours = {"UV_SYSTEM_CERTS": "1", "NODE_USE_SYSTEM_CA": "1", "UV_LINK_MODE": "hardlink"}
    environment = {**ours, **os.environ}
    environment.pop("VIRTUAL_ENV", None)
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and (index := pip_index()):
        environment["UV_DEFAULT_INDEX"] = index
    return environment


def pip_index() -> str | None:
    """The package index that pip is configured to ask, if any: many machines reach packages only through a mirror."""
    if given := os.environ.get("PIP_INDEX_URL"):
        return given
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"^(?:global|install)\.index-url='([^']+)'", listing, re.MULTILINE)
    return found[1] if found else None


def install_system(packages: list[str]) -> None:
    """Debian packages that are missing: installed when we may. Raises SetupFailed with the exact command otherwise."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed(f"missing on this machine: {', '.join(packages)}", "sudo " + " ".join(command))
    say(f"installing system packages: {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "--quiet"], stdout=subprocess.DEVNULL, env=environment)
    if subprocess.run(command, stdout=subprocess.DEVNULL, env=environment).returncode:
        raise SetupFailed(f"could not install {', '.join(packages)}", " ".join(command))


def on_path(program: str) -> bool:
    """Whether a program can be started; those of administrators are not on everybody's PATH."""
    return shutil.which(program) is not None or shutil.which(program, path="/usr/sbin:/sbin") is not None


def fingerprint(target: str) -> str:
    """Changes whenever the environment of a target has to be made again."""
    digest = hashlib.sha256(f"{target} {sys.version}".encode())
    files = [ROOT / "pyproject.toml", ROOT / "runtime" / "pyproject.toml", ROOT / "hatch_build.py"]
    files.append(ROOT / "locks" / f"{LOCKS[target]}.txt")
    for folder, inner, names in os.walk(ROOT / "web"):
        inner[:] = sorted(set(inner) - {"node_modules", "dist"})
        files += [Path(folder) / name for name in sorted(names)]
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def stamp_of(target: str) -> Path:
    return VENV / f".flyball-{target}"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def say(text: str) -> None:
    print(f"flyball setup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
