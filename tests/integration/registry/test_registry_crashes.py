from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flyball.testing.registries import open_registry
from support.stores import Store

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_kill_at_any_durable_write_leaves_a_whole_store_and_work_that_can_be_taken_up(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    command = [sys.executable, "-W", "error", str(HERE / "crash_scenario.py"), str(tmp_path)]
    if kind == "postgresql":
        template = request.getfixturevalue("postgres_store")
        command += [request.getfixturevalue("postgres").url("postgres"), template]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["whole"]["problems"] == []
    assert told["whole"]["versions"] == [1, 2]
    points = {name.split("#")[0] for name in told["killed"]}
    wanted = {
        "store.artifact:written",
        "registry.bundle:before",
        "registry.bundle:after",
        "registry.register:before-commit",
        "registry.register:after-commit",
        "registry.alias:after-commit",
        "ledger.head:before",
        "ledger.key-file:after",
        "ledger.key-file:settled",
        "ledger.erase:before-commit",
        "ledger.rebuild:before-commit",
    }
    assert {point for point in wanted if kind == "sqlite" or point.endswith("-commit")} <= points
    for name, outcome in told["killed"].items():
        assert outcome == {"killed": -9, "judged": 0, **told["whole"]}, name


WRITER = """
import sys
from pathlib import Path

import pytest
from flyball.ledger import Draft
from flyball.testing.registries import TESTER, open_registry, register_tiny
registry = open_registry(Path(sys.argv[1]), store=sys.argv[3])
for number in range(4):
    register_tiny(registry, content=f"{sys.argv[2]}/{number}")
    with registry.database.write("test") as tx:
        registry.ledger.append(tx, Draft("test.made", sys.argv[2], TESTER))
registry.database.close()
"""


def test_processes_that_write_at_once_make_one_unbroken_history(tmp_path: Path, store: Store) -> None:
    commands = [
        [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path), name, store.url] for name in ("one", "two")
    ]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in running] == [0, 0]
    registry = open_registry(tmp_path, begin=False, store=store.url)
    assert [version.number for version in registry.versions("machines")] == list(range(1, 9))
    assert len(registry.ledger.entries(what="test.made")) == 8
    assert [entry.what for entry in registry.ledger.entries()][:2] == ["project.created", "key.created"]
    assert json.loads(registry.ledger.head.read_bytes()) == registry.ledger.anchor()
    assert registry.verify().ok
    registry.database.close()
