"""Make everything that a target of the Makefile needs, with nothing but Python: `python3 tools/setup.py demo|dev`.

The locked packages go into `.venv`; what is already there is left alone, so that a second call costs milliseconds.
Packages come from the installer's cache when it holds them all, and from the network only otherwise.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV_VERSION = "0.13.9"
LOCKS = {"demo": ["base"], "dev": ["dev"]}
# What a target needs from the operating system: program -> Debian package.
SYSTEM = {"demo": {}, "dev": {"chromium": "chromium", "openssl": "openssl", "sha256sum": "coreutils", "git": "git", "curl": "curl"}}


def main() -> int:
    """Install for one target; 0 when everything is in place."""
    target = sys.argv[1] if len(sys.argv) > 1 else "dev"
    if target not in LOCKS:
        return fail(f"unknown target {target!r}", "use one of: " + ", ".join(LOCKS))
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one should read why it fails
        return fail(
            f"Flyball needs Python 3.11 or newer, this is {sys.version.split()[0]}", "make PYTHON=python3.11 demo"
        )
    missing = [package for program, package in SYSTEM[target].items() if not shutil.which(program)]
    if missing and (code := install_system(missing)):
        return code
    stamp = VENV / f".flyball-{target}"
    wanted = fingerprint(target)
    if stamp.exists() and stamp.read_text() == wanted and PYTHON.exists():
        return 0
    started = time.monotonic()
    say(f"setting up .venv for `make {target if target == 'demo' else 'test'}` (once)")
    uv = find_uv()
    if not uv:
        return 3
    if code := install(uv, target):
        return code
    stamp.write_text(wanted)
    say(f"ready after {time.monotonic() - started:.0f} s")
    return 0


def install(uv: Path, target: str) -> int:
    """Create .venv and fill it from the lock files; then both packages of this repository, editable."""
    if not PYTHON.exists():
        run(uv, "venv", "--quiet", "--python", sys.executable, str(VENV))
    for lock in LOCKS[target]:
        arguments = [
            "pip",
            "install",
            "--quiet",
            "--python",
            str(PYTHON),
            "--require-hashes",
            "-r",
            f"locks/{lock}.txt",
        ]
        if run(uv, *arguments, "--offline", quiet=True):
            say(f"downloading the packages of locks/{lock}.txt")
            if run(uv, *arguments):
                return fail(
                    f"the packages of locks/{lock}.txt could not be installed", "check the network and run it again"
                )
    say("building the console and installing flyball")
    local = ["--no-deps", "--no-build-isolation", "-e", "runtime", "-e", "."]
    if run(uv, "pip", "install", "--quiet", "--offline", "--python", str(PYTHON), *local):
        return fail("flyball itself could not be installed", "see the message above")
    return 0


def find_uv() -> Path | None:
    """The installer: the one on the PATH, else a private copy kept in the user's cache folder."""
    if found := shutil.which("uv"):
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flyball" / f"uv-{UV_VERSION}"
    if not (cache / "bin" / "uv").exists():
        say("fetching the package installer (uv)")
        if subprocess.run([sys.executable, "-m", "venv", str(cache)], cwd=ROOT).returncode:
            fail("Python cannot make virtual environments here", "apt-get install python3-venv")
            return None
        if subprocess.run([cache / "bin" / "pip", "install", "--quiet", f"uv=={UV_VERSION}"], cwd=ROOT).returncode:
            shutil.rmtree(cache, ignore_errors=True)
            fail("the package installer could not be fetched", "check the network, or install uv by hand")
            return None
    return cache / "bin" / "uv"


def install_system(packages: list[str]) -> int:
    """Debian packages that are missing: installed when we may, else named with the exact command."""
    command = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return fail(f"missing on this machine: {', '.join(packages)}", f"sudo {command}")
    say(f"installing system packages: {', '.join(packages)}")
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "--quiet"], **quiet)
    if subprocess.run(command.split(), **quiet).returncode:
        return fail(f"could not install {', '.join(packages)}", command)
    return 0


def fingerprint(target: str) -> str:
    """Changes whenever the environment of a target has to be made again."""
    digest = hashlib.sha256(sys.version.encode())
    files = [ROOT / "pyproject.toml", ROOT / "runtime" / "pyproject.toml", ROOT / "hatch_build.py"]
    files += [ROOT / "locks" / f"{lock}.txt" for lock in LOCKS[target]]
    files += sorted(path for path in (ROOT / "web").rglob("*") if path.is_file() and "node_modules" not in path.parts)
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run(uv: Path, *arguments: str, quiet: bool = False) -> int:
    """One call of the installer; its own words are shown unless `quiet`."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run([uv, *arguments], cwd=ROOT, stderr=output, stdout=output).returncode


def say(text: str) -> None:
    print(f"flyball setup: {text}", file=sys.stderr, flush=True)


def fail(what: str, fix: str) -> int:
    print(f"FB-SETUP-001  {what}\n  fix  {fix}", file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
