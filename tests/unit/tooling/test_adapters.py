"""A third-party package is imported only in the package of the house that owns it, and only if it is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

# Imported package -> where it may be imported. numpy is the common language of arrays and may be anywhere.
OWNERS = {
    "alembic": ("flyball/store",),
    "cryptography": ("flyball/ledger", "flyball_runtime"),
    "cyclonedx": ("flyball/governance",),
    "cyclopts": ("flyball/cli",),
    "duckdb": ("flyball/data", "flyball/features/relational"),
    "fastapi": ("flyball/api",),
    "httptools": ("flyball/serving",),
    "lightgbm": ("flyball/automl", "flyball/data/look"),
    "obstore": ("flyball/store",),
    "onnx": ("flyball/graph",),
    "onnxruntime": ("flyball_runtime",),
    "opentelemetry": ("flyball/serving",),
    "packageurl": ("flyball/governance",),
    "pydantic": ("flyball/config", "flyball/api"),
    "pytest": ("flyball/testing",),
    "rfc8785": ("flyball/core",),
    "rich": ("flyball/cli",),
    "scipy": ("flyball/automl", "flyball/data", "flyball/evaluation"),
    "sklearn": ("flyball/automl",),
    "sqlalchemy": (
        "flyball/store",
        "flyball/ledger",
        "flyball/registry",
        "flyball/tracking",
        "flyball/predictions",
        "flyball/sessions",
        "flyball/monitoring",
        "flyball/webhooks",
        "flyball/exchange",
        "flyball/testing",
    ),
    "starlette": ("flyball/api",),
    "threadpoolctl": ("flyball/automl",),
    "uvicorn": ("flyball/serving",),
    "uvloop": ("flyball/serving",),
    "yaml": ("flyball/exchange",),
}
DISTRIBUTIONS = {
    "cyclonedx-python-lib": "cyclonedx", "opentelemetry-sdk": "opentelemetry", "pyyaml": "yaml", "scikit-learn": "sklearn",
}  # fmt: skip
# Brought along by a declared package, of which they are a part.
COMPANIONS = {"packageurl": "cyclonedx", "starlette": "fastapi"}
# Declared for a package that imports it only if it is there: cyclonedx checks documents with it.
IMPORTED_BY_OTHERS = {"jsonschema"}


@pytest.fixture(scope="module")
def imports(repository: Path) -> dict[str, set[str]]:
    """Third-party package -> files that import it anywhere, in functions too."""
    found: dict[str, set[str]] = defaultdict(set)
    for base in (repository / "src", repository / "runtime" / "src"):
        for path in base.rglob("*.py"):
            for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
                found[name].add(path.relative_to(base).as_posix())
    ours = {"flyball", "flyball_runtime", "numpy"}
    return {name: files for name, files in found.items() if name not in ours | sys.stdlib_module_names}


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_a_third_party_package_is_imported_only_by_its_owner(imports: dict[str, set[str]]) -> None:
    strangers = [
        f"{name} in {file}"
        for name, files in sorted(imports.items())
        for file in sorted(files)
        if not any(file.startswith(f"{owner}/") for owner in OWNERS.get(name, ()))
    ]
    assert strangers == []


def dependencies(repository: Path) -> set[str]:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[<>=~ ]", line)[0] for line in project["dependencies"]}
    return {DISTRIBUTIONS.get(name, name) for name in names} - {"flyball-runtime"}


def extras(repository: Path) -> set[str]:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for declared in project["optional-dependencies"].values() for line in declared]
    names = {re.split(r"[\[<>=~ ]", line)[0] for line in lines}
    return {DISTRIBUTIONS.get(name, name) for name in names}


def test_every_declared_dependency_is_imported(repository: Path, imports: dict[str, set[str]]) -> None:
    assert dependencies(repository) - imports.keys() == IMPORTED_BY_OTHERS


def test_every_imported_package_is_declared_or_part_of_a_declared_one(
    repository: Path, imports: dict[str, set[str]]
) -> None:
    runtime = {"cryptography", "onnxruntime"}
    known = (
        dependencies(repository) | extras(repository) | runtime | {"pytest"}
    )  # pytest: the conformance suites of flyball.testing
    undeclared = {name for name in imports if COMPANIONS.get(name, name) not in known}
    assert undeclared == set()


def test_the_product_never_imports_a_pickle(repository: Path) -> None:
    files = [*(repository / "src").rglob("*.py"), *(repository / "runtime" / "src").rglob("*.py")]
    unsafe = {"pickle", "cPickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
    found = {str(path) for path in files if imported(ast.parse(path.read_text(encoding="utf-8"))) & unsafe}
    assert found == set()


def test_conformance_suites_are_used_by_tests_alone(repository: Path) -> None:
    users = [
        path
        for path in (repository / "src").rglob("*.py")
        if "testing" not in path.parts and "flyball.testing" in path.read_text(encoding="utf-8")
    ]
    assert users == []
