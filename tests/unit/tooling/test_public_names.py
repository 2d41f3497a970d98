"""What a module declares as public is there, and importing a package costs next to nothing."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import flyball
import flyball_runtime

HEAVY = {
    "alembic", "cryptography", "cyclonedx", "cyclopts", "duckdb", "fastapi", "lightgbm", "numpy", "onnx", "onnxruntime",
    "pandas", "polars", "pyarrow", "pydantic", "ray", "rich", "scipy", "sklearn", "sqlalchemy", "starlette", "uvicorn",
}  # fmt: skip


def modules() -> list[str]:
    names = ["flyball", "flyball_runtime"]
    for package in (flyball, flyball_runtime):
        names += [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    return sorted(name for name in names if ".migrations" not in name and not name.endswith("__main__"))


def declared(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


@pytest.mark.parametrize("name", modules())
def test_every_declared_name_is_there_once_and_sorted_out(name: str) -> None:
    module = importlib.import_module(name)
    public = declared(module)
    assert len(public) == len(set(public))
    missing = [item for item in public if not hasattr(module, item)]
    assert missing == []


@pytest.mark.parametrize("name", [name for name in modules() if name.count(".") <= 1])
def test_a_star_import_of_a_facade_works(name: str) -> None:
    space: dict[str, object] = {}
    exec(f"from {name} import *", space)  # the one way that reads the whole of __all__
    assert set(declared(importlib.import_module(name))) <= set(space)


@pytest.mark.parametrize("package", [name for name in modules() if name.count(".") == 1 and name != "flyball.testing"])
def test_a_facade_refuses_names_that_it_does_not_declare(package: str) -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = importlib.import_module(package).nothing_of_that_name


def test_flyball_exports_a_dozen_names_at_most() -> None:
    assert len(set(flyball.__all__) - {"__version__"}) <= 12


def loaded_after(statement: str) -> set[str]:
    """Top-level packages in sys.modules after a statement in a fresh process."""
    program = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import flyball; dir(flyball); flyball.__version__",
        "import flyball_runtime; dir(flyball_runtime)",
        "import flyball.cli, flyball.ledger, flyball.store, flyball.registry, flyball.project, flyball.automl",
        "from flyball import BadInput, FlyballError, InternalError, Refused",
    ],
)
def test_an_import_loads_no_heavy_package(statement: str) -> None:
    assert loaded_after(statement) & HEAVY == set()


def test_help_of_the_program_loads_no_mathematics_and_no_database() -> None:
    loaded = loaded_after("from flyball.cli import main; main(['--help'])")
    assert loaded & (HEAVY - {"cyclopts", "rich"}) == set()
