"""Each guard of `make check` fails on a planted violation and names it, and is silent without one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SHORT_FUNCTION = "def f{n}(x: int) -> int:\n    return x\n\n\n"


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def plant(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


# -- layers


@pytest.fixture
def house(repository: Path, tmp_path: Path) -> Path:
    """A copy of both packages' sources and of the contracts over them."""
    unwanted = shutil.ignore_patterns("__pycache__", "web_static")
    shutil.copytree(repository / "src", tmp_path / "src", ignore=unwanted)
    shutil.copytree(repository / "runtime" / "src", tmp_path / "runtime" / "src", ignore=unwanted)
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    sources = os.pathsep.join(str(house / folder) for folder in ("src", "runtime/src"))
    return run(BIN / "lint-imports", "--no-logo", "--no-cache", cwd=house, PYTHONPATH=sources)


def test_the_layers_hold_as_they_are(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        (
            "src/flyball/core/clock.py",
            "from flyball.cli import main",
            "flyball.core is not allowed to import flyball.cli",
        ),
        (
            "src/flyball/features/frame.py",
            "import flyball.evaluation.splits",
            "flyball.features is not allowed to import flyball.evaluation",
        ),
        (
            "src/flyball/api/view.py",
            "def f():\n    import flyball.cli.app",
            "flyball.api is not allowed to import flyball.cli",
        ),
        (
            "runtime/src/flyball_runtime/errors.py",
            "import flyball.core.ids",
            "flyball_runtime is not allowed to import flyball",
        ),
    ],
    ids=["upwards", "between siblings", "inside a function", "from the device to the server"],
)
def test_an_import_against_the_layers_is_named(house: Path, file: str, line: str, complaint: str) -> None:
    plant(house / file, f"\n{line}\n")
    done = lint_imports(house)
    assert done.returncode != 0
    assert complaint in done.stdout


def test_every_package_has_its_place_in_the_layers(repository: Path) -> None:
    """A package that no contract names could import anything."""
    contracts = (repository / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.importlinter]")[2]
    sources = repository / "src" / "flyball"
    packages = {path.name for path in sources.iterdir() if (path / "__init__.py").exists()} - {"testing"}
    assert packages <= set(re.findall(r"flyball\.(\w+)", contracts))


# -- sizes


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one short source file that holds twenty short functions."""
    run("git", "init", "--quiet", cwd=tmp_path)
    plant(tmp_path / "src" / "tidy.py", "".join(SHORT_FUNCTION.format(n=n) for n in range(20)))
    return tmp_path


def check_sizes(repository: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, repository / "tools" / "check_sizes.py", cwd=checkout)


def test_short_files_and_functions_pass(repository: Path, checkout: Path) -> None:
    plant(checkout / "tests" / "test_longest.py", "x = 1\n" * 600)
    done = check_sizes(repository, checkout)
    assert done.returncode == 0, done.stdout
    assert "20 functions" in done.stdout


@pytest.mark.parametrize("name", ["src/big.py", "runtime/src/big.py", "tests/test_big.py", "web/src/Big.svelte"])
def test_a_file_of_601_lines_is_named(repository: Path, checkout: Path, name: str) -> None:
    plant(checkout / name, "x = 1\n" * 601)
    done = check_sizes(repository, checkout)
    assert done.returncode == 1
    assert f"{name}: 601 lines" in done.stdout


def test_a_large_file_that_git_ignores_is_not_ours(repository: Path, checkout: Path) -> None:
    plant(checkout / ".gitignore", "made/\n")
    plant(checkout / "made" / "big.py", "x = 1\n" * 601)
    assert check_sizes(repository, checkout).returncode == 0


def test_more_than_a_twentieth_of_long_functions_is_refused_and_each_is_named(repository: Path, checkout: Path) -> None:
    long = "def {name}(x: int) -> int:\n" + "    x += 1\n" * 44 + "    return x\n"  # 46 lines
    plant(checkout / "src" / "long.py", long.format(name="first"))
    assert check_sizes(repository, checkout).returncode == 0  # 1 of 21 is within the twentieth
    plant(checkout / "src" / "long.py", long.format(name="second"))
    done = check_sizes(repository, checkout)
    assert done.returncode == 1
    assert "first: 46 lines" in done.stdout
    assert "second: 46 lines" in done.stdout


def test_a_docstring_does_not_count_as_length(repository: Path, checkout: Path) -> None:
    documented = 'def {name}(x: int) -> int:\n    """Says\n' + "    much.\n" * 50 + '    """\n    return x\n'
    plant(checkout / "src" / "documented.py", "".join(documented.format(name=f"g{n}") for n in range(5)))
    assert check_sizes(repository, checkout).returncode == 0


def test_a_median_file_that_is_too_long_is_refused(repository: Path, checkout: Path) -> None:
    for number in range(3):
        plant(checkout / "src" / f"middling{number}.py", "x = 1\n" * 200)
    done = check_sizes(repository, checkout)
    assert done.returncode == 1
    assert "median source file has 200 lines" in done.stdout


# -- types


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def f(x):\n    return x\n", "[no-untyped-def]"),
        ('def f(x: int) -> str:\n    return x\n\n\nf("1")\n', "[return-value]"),
        ("import json\n\n\ndef f() -> dict:\n    return json.loads('1')\n", "[type-arg]"),
        ("x: int = 'a'  # type: ignore\n", "[ignore-without-code]"),
        ("def f(x: int) -> int:\n    return x\n", None),
    ],
    ids=["untyped", "wrong type", "bare generic", "ignored without saying what", "clean"],
)
def test_types_are_checked_strictly(repository: Path, tmp_path: Path, text: str, complaint: str | None) -> None:
    plant(tmp_path / "planted.py", text)
    config = repository / "pyproject.toml"
    done = run(BIN / "mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", "planted.py", cwd=tmp_path)
    assert done.returncode == (1 if complaint else 0), done.stdout
    assert (complaint or "Success") in done.stdout


def test_types_are_checked_in_both_packages(repository: Path) -> None:
    import tomllib

    settings = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["strict"] is True
    assert settings["packages"] == ["flyball", "flyball_runtime"]
    loosened = [name for entry in settings["overrides"] for name in entry["module"] if name.startswith("flyball")]
    assert loosened == []


# -- style


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import os\n", "F401"),
        ("from datetime import datetime\n\nnow = datetime.now()\n", "DTZ005"),
        ("try:\n    x = 1\nexcept Exception:\n    x = 2\n", "BLE001"),
        ("import pickle\n\nx = pickle.loads(b'')\n", "S301"),
    ],
)
def test_the_linter_refuses(repository: Path, tmp_path: Path, text: str, rule: str) -> None:
    plant(tmp_path / "src" / "planted.py", text)
    config = repository / "pyproject.toml"
    done = run(BIN / "ruff", "check", "--no-cache", "--config", config, "src/planted.py", cwd=tmp_path)
    assert done.returncode == 1
    assert rule in done.stdout


# -- the gate itself


def recipe(repository: Path, target: str) -> str:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return found[0]


def test_one_command_runs_every_guard_and_continuous_integration_runs_that(repository: Path) -> None:
    checks = recipe(repository, "check")
    for guard in ("ruff format --check", "ruff check", "tools/check_sizes.py", "lint-imports", "mypy"):
        assert guard in checks
    assert "|| true" not in checks
    suite = recipe(repository, "test")
    assert suite.startswith("test: check ")
    assert "pytest" in suite
    assert "docs" in suite
    ci = repository / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert ci.read_text(encoding="utf-8").splitlines()[-2:] == ["make test", "make conformance"]
