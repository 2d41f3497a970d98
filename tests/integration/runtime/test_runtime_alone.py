"""The runtime lives on its declared dependencies: nothing else is imported, so a device needs nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import flyball_runtime

PROGRAM = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ModuleNotFoundError(name)
FORBIDDEN = set(sys.argv[2].split(","))
sys.meta_path.insert(0, Wall())
import flyball_runtime
bundle = flyball_runtime.open_bundle(sys.argv[1], trust=sys.argv[1] + "/../key.pem")
bundle.score({"age": [1.0, None], "since": ["2020-01-01", None], "colour": ["red", None], "income": [1, 2]})
session = bundle.session()
session.push({"age": [1.0], "since": [0], "colour": ["red"], "income": [1]})
assert bundle.authentic and bundle.check_golden() == 0 and bundle.reference().rows.sum() == 4
import json
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)))
"""
# What the declared dependencies may bring along themselves.
ALLOWED = {"flyball_runtime", "numpy", "onnxruntime", "cryptography", "_cffi_backend", "cffi", "pycparser"}


def distributions_outside() -> list[str]:
    """Top-level modules of every installed package that is none of the runtime's dependencies."""
    return sorted(
        {name for name in metadata.packages_distributions() if name.isidentifier()} - ALLOWED - sys.stdlib_module_names
    )


def test_a_bundle_opens_verifies_and_scores_with_nothing_but_the_declared_dependencies(
    make_files: Callable[..., dict[str, bytes]], key: Any, write: Any, tmp_path: Path
) -> None:
    folder = write(key.sign_bundle(make_files()))
    (tmp_path / "key.pem").write_bytes(key.pem)
    forbidden = ["flyball", *distributions_outside()]
    assert {"onnx", "polars", "pandas", "sklearn", "duckdb"} <= set(forbidden)
    command = [sys.executable, "-c", PROGRAM, str(folder), ",".join(forbidden)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name for name in json.loads(done.stdout) if not name.startswith(("_", "__editable__"))}
    loaded -= {"sitecustomize", "usercustomize"}  # which some systems put beside every Python
    assert loaded <= ALLOWED, loaded - ALLOWED


def test_the_declared_dependencies_are_those_three() -> None:
    declared = metadata.requires("flyball-runtime") or []
    assert sorted(line.split(">")[0].strip() for line in declared) == ["cryptography", "numpy", "onnxruntime"]
    project = tomllib.loads((Path(__file__).parents[3] / "runtime" / "pyproject.toml").read_text())["project"]
    assert project["version"] == flyball_runtime.__version__


def test_importing_the_package_loads_neither_numpy_nor_onnxruntime() -> None:
    program = (
        "import sys, flyball_runtime; print([n for n in ('numpy', 'onnxruntime', 'cryptography') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", flyball_runtime.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(flyball_runtime, name) is not None
    assert name in dir(flyball_runtime)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        flyball_runtime.nothing  # noqa: B018
