"""`tools/setup.py` needs nothing but Python, does nothing twice, and says the command when it cannot go on."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, over an empty checkout and an empty cache folder."""
    spec = importlib.util.spec_from_file_location("flyball_setup_script", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checkout = tmp_path / "checkout"
    for folder in ("locks", "runtime", "web"):
        (checkout / folder).mkdir(parents=True)
    files = ("pyproject.toml", "hatch_build.py", "runtime/pyproject.toml", "web/index.html")
    for file in (*files, *(f"locks/{name}.txt" for name in ("base", "dev", "setup"))):
        (checkout / file).write_text((ROOT / file).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", checkout)
    monkeypatch.setattr(module, "VENV", checkout / ".venv")
    monkeypatch.setattr(module, "PYTHON", checkout / ".venv" / "bin" / "python")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return module


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_it_imports_nothing_but_the_standard_library() -> None:
    text = (ROOT / "tools" / "setup.py").read_text(encoding="utf-8")
    names = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert names <= sys.stdlib_module_names


def test_a_program_that_is_missing_is_named_with_the_command_that_installs_it(
    setup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(setup.SYSTEM, "dev", {"no-such-browser": "some-browser"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(setup.SetupFailed) as caught:
        setup.prepare("dev")
    assert "sudo apt-get install --yes --no-install-recommends some-browser" in str(caught.value)
    assert str(caught.value).startswith("FB-SETUP-001")


def test_the_demo_asks_nothing_of_the_operating_system(setup: Any) -> None:
    assert setup.SYSTEM["demo"] == {}
    assert setup.LOCKS["demo"] == "base"


def test_an_old_python_is_told_which_one_to_use(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (3, 10, 1))
    with pytest.raises(setup.SetupFailed, match=r"make PYTHON=python3.11 demo"):
        setup.prepare("demo")


@pytest.mark.parametrize("installed", ["demo", "dev"])
def test_what_is_in_place_is_left_alone(setup: Any, monkeypatch: pytest.MonkeyPatch, installed: str) -> None:
    """The developers' environment covers the demo's."""
    monkeypatch.setattr(setup, "Installer", lambda: None)
    program(setup.VENV / "bin", "python", "exit 0")
    setup.stamp_of(installed).write_text(setup.fingerprint(installed))
    monkeypatch.setattr(setup, "install", lambda *_: pytest.fail("installed again"))
    setup.prepare("demo")
    (setup.ROOT / "pyproject.toml").write_text("# another\n")
    monkeypatch.setattr(setup, "install", lambda *_: None)
    before = setup.stamp_of("demo").read_text() if installed == "demo" else None
    setup.prepare("demo")
    assert setup.stamp_of("demo").read_text() != before


def test_a_changed_lock_or_console_file_is_noticed(setup: Any) -> None:
    seen = {setup.fingerprint("demo")}
    for file in ("locks/base.txt", "web/index.html", "hatch_build.py", "runtime/pyproject.toml"):
        with (setup.ROOT / file).open("a") as opened:
            opened.write("\n")
        seen.add(setup.fingerprint("demo"))
    assert len(seen) == 5
    (setup.ROOT / "web" / "node_modules").mkdir()
    (setup.ROOT / "web" / "node_modules" / "left-over.js").write_text("")
    assert setup.fingerprint("demo") in seen


def test_an_installer_that_does_not_work_is_passed_over_for_the_private_copy(
    setup: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = LOCKED.findall((ROOT / "locks" / "setup.txt").read_text(encoding="utf-8"))[0][1]
    private = program(tmp_path / "cache" / "flyball", f"uv-{version}", f"echo 'uv {version} (private)'")
    for broken in ("echo 'uv 0.4.1'", "exit 127", "echo nonsense"):
        program(tmp_path / "path", "uv", broken)
        monkeypatch.setenv("PATH", str(tmp_path / "path"), prepend=os.pathsep)
        assert setup.Installer().program == private
    on_path = program(tmp_path / "path", "uv", f"echo 'uv {version}'")
    assert setup.Installer().program == on_path


def test_the_installer_asks_the_index_that_pip_asks(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    assert setup.installer_environment()["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
    assert setup.installer_environment()["UV_DEFAULT_INDEX"] == "https://other.example/simple"


def test_looking_whether_all_is_in_place_costs_little(setup: Any) -> None:
    """A second `make demo` prints its first line within a second."""
    began = time.process_time()
    for target in setup.LOCKS:
        setup.fingerprint(target)
    assert time.process_time() - began < 0.3


# -- locks


@pytest.fixture(scope="module")
def locks(repository: Path) -> dict[str, dict[str, str]]:
    folder = repository / "locks"
    return {path.stem: dict(LOCKED.findall(path.read_text(encoding="utf-8"))) for path in folder.glob("*.txt")}


def test_lock_files_name_no_index(repository: Path) -> None:
    for path in (repository / "locks").glob("*.txt"):
        assert "://" not in path.read_text(encoding="utf-8"), path
    assert '"resolved"' not in (repository / "web" / "package-lock.json").read_text(encoding="utf-8")


def test_every_locked_package_has_a_hash(repository: Path) -> None:
    for path in (repository / "locks").glob("*.txt"):
        entries = re.split(r"^(?=\S)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == [], path


def test_the_developers_have_the_versions_of_the_product(locks: dict[str, dict[str, str]]) -> None:
    assert locks["base"].items() <= locks["dev"].items()


def test_every_dependency_is_locked(repository: Path, locks: dict[str, dict[str, str]]) -> None:
    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~ ]", line)[0].lower() for line in lines} - {"flyball-runtime"}

    product = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = tomllib.loads((repository / "runtime" / "pyproject.toml").read_text(encoding="utf-8"))
    groups = product["dependency-groups"]
    needed = names(product["project"]["dependencies"] + runtime["project"]["dependencies"] + groups["build"])
    assert needed - locks["base"].keys() == set()
    assert names(groups["dev"] + groups["docs"]) - locks["dev"].keys() == set()
    assert set(locks["setup"]) == {"uv"}


def test_the_product_pulls_in_no_graphics_card(locks: dict[str, dict[str, str]]) -> None:
    heavy = {"torch", "xgboost", "tensorflow", "pyarrow", "ray"}
    assert {name for name in locks["base"] if name.startswith(("nvidia", "cuda")) or name in heavy} == set()
