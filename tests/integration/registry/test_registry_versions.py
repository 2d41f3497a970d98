from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flyball.config.model import is_name
from flyball.core.canonical import sha256_hex
from flyball.ledger import Draft, NotRecordable
from flyball.registry import (
    AliasMoved,
    AliasUnknown,
    BundleRefused,
    ModelUnknown,
    NameRefused,
    Registry,
    RunRefused,
    VersionUnknown,
)
from flyball.registry.names import check_alias
from flyball.store import ArtifactCorrupt
from flyball.testing.registries import TESTER, open_registry, register_tiny, tiny_bundle
from support.stores import Store


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    opened = open_registry(store.folder, store=store.url)
    yield opened
    opened.database.close()


def register(registry: Registry, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "model": "machines",
        "task": "binary",
        "build": lambda number, checkpoint: tiny_bundle("machines", number, checkpoint),
        "evidence": {"metrics": {}},
        "dataset_version": None,
        "run_id": None,
        "actor": TESTER,
        "reason": "test",
    }
    return registry.register_version(**{**given, **changes})


def test_a_version_binds_its_files_its_evidence_its_data_and_its_run(registry: Registry) -> None:
    data = registry.record_dataset("telemetry", "ab" * 32, registry.artifacts.put(b"rows"), {"rows": 4}, TESTER)
    run = registry.start_run("learn", {"budget": 60}, TESTER)
    evidence = {"metrics": {"test": {}}, "code": {"git_commit": None}, "environment": {"python": "3.11"}, "seed": 3}
    gates = [{"gate": "register", "passed": True, "results": []}]
    version = register(registry, evidence=evidence, dataset_version=data.version, run_id=run, gates=gates)
    assert (version.ref, version.task, version.run_id) == ("machines@1", "binary", run)
    assert version.gates == ({"gate": "register", "passed": True, "results": []},)
    assert version.content_hash == sha256_hex(b"graph")
    assert sorted(path.name for path in version.bundle_path.iterdir()) == ["manifest.json", "model.onnx", "signature"]
    assert version.files == {path.name: sha256_hex(path.read_bytes()) for path in version.bundle_path.iterdir()}
    assert registry.evidence(version) == evidence
    entry = registry.ledger.entry(version.seq)
    assert entry.hash == version.entry
    assert entry.binds["dataset"] == data.version
    assert entry.binds["file:model.onnx"] == sha256_hex(b"graph")
    lineage = registry.lineage(version)
    assert (lineage["dataset"]["name"], lineage["run"]["params"], lineage["seed"]) == ("telemetry", {"budget": 60}, 3)
    assert [entry["what"] for entry in lineage["entries"]] == ["version.registered"]
    assert registry.verify().ok


def test_the_builder_gets_the_number_and_the_newest_checkpoint(registry: Registry) -> None:
    seen = []

    def build(number: int, checkpoint: dict[str, Any]) -> dict[str, bytes]:
        seen.append((number, checkpoint))
        return tiny_bundle("machines", number, checkpoint)

    anchor = registry.ledger.anchor()
    register(registry, build=build)
    assert seen == [(1, anchor)]


def test_numbers_count_up_per_model(registry: Registry) -> None:
    refs = [register_tiny(registry, model, content=content).ref for content in "ab" for model in ("machines", "pumps")]
    assert refs == ["machines@1", "pumps@1", "machines@2", "pumps@2"]
    assert [(model.name, model.versions, model.latest) for model in registry.models()] == [
        ("machines", 2, 2),
        ("pumps", 2, 2),
    ]
    assert [version.number for version in registry.versions("machines")] == [1, 2]


def test_the_same_content_evidence_and_run_is_one_version(registry: Registry) -> None:
    first = register_tiny(registry, run_id=registry.start_run("learn", {}, TESTER))
    again = register_tiny(registry, run_id=first.run_id)
    assert again == first
    assert register_tiny(registry, run_id=registry.start_run("learn", {}, TESTER)).number == 2
    assert register_tiny(registry, run_id=first.run_id, content="other").number == 3
    assert register_tiny(registry, run_id=first.run_id, score=0.8).number == 4


def fails(number: int, checkpoint: dict[str, Any]) -> dict[str, bytes]:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"build": fails}, ZeroDivisionError),
        ({"build": lambda number, checkpoint: {}}, BundleRefused),
        ({"build": lambda number, checkpoint: {"manifest.json": b"{"}}, BundleRefused),
        ({"build": lambda number, checkpoint: tiny_bundle("machines", 7, checkpoint)}, BundleRefused),
        ({"build": lambda number, checkpoint: tiny_bundle("pumps", number, checkpoint)}, BundleRefused),
        ({"evidence": {"share": float("nan")}}, NotRecordable),
        ({"dataset_version": "not a digest"}, NotRecordable),
        ({"model": "../escape"}, NameRefused),
        ({"model": ".hidden"}, NameRefused),
        ({"model": "machines@1"}, NameRefused),
        ({"model": ""}, NameRefused),
    ],
)
def test_what_cannot_be_registered_leaves_nothing(
    registry: Registry, tmp_path: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        register(registry, **changes)
    assert registry.models() == []
    assert len(registry.ledger.entries()) == 2
    registry.clean_leftovers()
    assert not list((tmp_path / "bundles").glob("*"))
    assert register(registry).number == 1


def test_a_dataset_version_is_recorded_once(registry: Registry) -> None:
    blob = registry.artifacts.put(b"rows")
    first = registry.record_dataset("telemetry", "ab" * 32, blob, {"rows": 4}, TESTER)
    assert registry.record_dataset("telemetry", "ab" * 32, blob, {"rows": 5}, TESTER) == first
    registry.record_dataset("telemetry", "cd" * 32, blob, {"rows": 5}, TESTER)
    registry.record_dataset("other", "ab" * 32, blob, {}, TESTER)
    assert [data.version[:2] for data in registry.datasets("telemetry")] == ["ab", "cd"]
    assert len(registry.datasets()) == 3


@pytest.mark.parametrize(
    ("reference", "number"),
    [("machines@1", 1), ("machines@2", 2), ("machines@production", 1), ("machines@latest", 2), ("machines", 2)],
)
def test_a_reference_names_a_version(registry: Registry, reference: str, number: int) -> None:
    register_tiny(registry)
    register_tiny(registry, content="better")
    registry.move_alias("machines", "production", 1, TESTER, "go")
    assert registry.resolve(reference).number == number


@pytest.mark.parametrize(
    ("reference", "error", "hint"),
    [
        ("machine@1", ModelUnknown, 'did you mean "machines"?'),
        ("machine", ModelUnknown, 'did you mean "machines"?'),
        ("machine@production", ModelUnknown, 'did you mean "machines"?'),
        ("machines@9", VersionUnknown, "its versions are 1 to 1"),
        ("machines@0", VersionUnknown, "its versions are 1 to 1"),
        ("machines@prodution", AliasUnknown, 'did you mean "production"?'),
        ("machines@99999999999999999999", AliasUnknown, "no alias"),
        ("machines@", NameRefused, "MODEL@NUMBER"),
        ("@production", NameRefused, "MODEL@NUMBER"),
        ("a@b@c", NameRefused, "MODEL@NUMBER"),
        ("../x@1", NameRefused, "another name"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(
    registry: Registry, reference: str, error: type[Exception], hint: str
) -> None:
    register_tiny(registry)
    registry.move_alias("machines", "production", 1, TESTER, "go")
    with pytest.raises(error) as caught:
        registry.resolve(reference)
    assert hint in str(caught.value)


def test_versions_of_no_model_are_an_error_that_names_the_next_step(registry: Registry) -> None:
    with pytest.raises(ModelUnknown, match="flyball run"):
        registry.versions("machines")


def test_an_alias_keeps_its_whole_history(registry: Registry) -> None:
    register_tiny(registry)
    register_tiny(registry, content="better")
    registry.move_alias("machines", "production", 1, TESTER, "first", payload={"gate": "passed"})
    second = registry.move_alias("machines", "production", 2, TESTER, "better")
    registry.remove_alias("machines", "production", TESTER, "withdrawn")
    registry.move_alias("machines", "production", 1, TESTER, "rolled back")
    history = registry.alias_history("machines", "production")
    assert [(move.number, move.reason) for move in history] == [
        (1, "first"),
        (2, "better"),
        (None, "withdrawn"),
        (1, "rolled back"),
    ]
    assert history[0].details == {"gate": "passed"}
    assert history[1] == second
    assert [now.to_dict() for now in registry.aliases("machines")] == [
        {"model": "machines", "alias": "production", "number": 1, "since": history[-1].time}
    ]
    assert registry.verify().ok


def test_which_version_was_live_at_a_moment_is_known(registry: Registry) -> None:
    for content in "ab":
        register_tiny(registry, content=content)
    moves = [registry.move_alias("machines", "production", number, TESTER, "") for number in (1, 2)]
    moves.append(registry.remove_alias("machines", "production", TESTER, ""))
    live = [registry.alias_at("machines", "production", move.time) for move in moves]
    assert [version.number if version else None for version in live] == [1, 2, None]
    assert registry.alias_at("machines", "production", datetime(2020, 1, 1, tzinfo=UTC)) is None
    between = datetime.fromisoformat(moves[1].time).replace(microsecond=999_999)
    assert registry.alias_at("machines", "production", between).number == 2
    with pytest.raises(ValueError, match="time zone"):
        registry.alias_at("machines", "production", "2026-01-01T00:00:00")


@pytest.mark.parametrize("alias", ["latest", "3", "", "-x", "a b", "pro/duction"])
def test_an_alias_that_could_be_mistaken_is_refused(registry: Registry, alias: str) -> None:
    register_tiny(registry)
    with pytest.raises(NameRefused):
        registry.move_alias("machines", alias, 1, TESTER, "")


def test_moving_an_alias_to_nothing_changes_nothing(registry: Registry) -> None:
    register_tiny(registry)
    with pytest.raises(VersionUnknown):
        registry.move_alias("machines", "production", 2, TESTER, "", before=[Draft("gate.passed", "x", TESTER)])
    with pytest.raises(AliasUnknown):
        registry.remove_alias("machines", "production", TESTER, "")
    assert [entry.what for entry in registry.ledger.entries(what="gate")] == []


def test_a_verdict_becomes_durable_with_the_move_it_allowed(registry: Registry) -> None:
    register_tiny(registry)
    verdict = Draft("gate.passed", "machines@1", TESTER, payload={"rules": 3})
    registry.move_alias("machines", "production", 1, TESTER, "go", before=[verdict])
    assert [entry.what for entry in registry.ledger.entries(subject="machines")] == [
        "version.registered",
        "gate.passed",
        "alias.moved",
    ]


def test_a_run_is_open_until_it_is_finished_and_then_bound(registry: Registry) -> None:
    run = registry.start_run("learn", {"budget": 60}, TESTER)
    assert (registry.run(run).status, registry.run(run).finished) == ("running", None)
    finished = registry.finish_run(run, "done", {"roc_auc": 0.9}, {"version": "machines@1"})
    assert finished == registry.run(run)
    assert registry.finish_run(run, "done", {"roc_auc": 0.9}, {"version": "machines@1"}) == finished
    assert len(registry.ledger.entries(what="run")) == 1
    other = registry.start_run("score", {}, TESTER)
    assert [one.id for one in registry.runs()] == [other, run]
    assert [one.id for one in registry.runs(kind="learn", limit=5)] == [run]


def test_a_run_that_is_unknown_or_ended_otherwise_is_refused(registry: Registry) -> None:
    run = registry.start_run("learn", {}, TESTER)
    registry.finish_run(run, "done")
    for ask in (
        lambda: registry.finish_run(run, "failed"),
        lambda: registry.finish_run("run_x", "done"),
        lambda: registry.run("run_x"),
    ):
        with pytest.raises(RunRefused):
            ask()


def test_evidence_that_was_edited_is_not_believed(registry: Registry) -> None:
    version = register_tiny(registry)
    path = registry.artifacts.path(version.evidence_digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"0.9", b"1.0"))
    with pytest.raises(ArtifactCorrupt):
        registry.evidence(version)


def test_records_become_json(registry: Registry) -> None:
    import json

    version = register_tiny(registry, run_id=registry.start_run("learn", {}, TESTER))
    registry.move_alias("machines", "production", 1, TESTER, "go")
    registry.record_dataset("telemetry", "ab" * 32, registry.artifacts.put(b"rows"), {}, TESTER)
    for record in (
        version,
        registry.runs()[0],
        registry.datasets()[0],
        registry.aliases("machines")[0],
        registry.alias_history("machines")[0],
        registry.verify(),
    ):
        assert json.loads(json.dumps(record.to_dict())) == record.to_dict()
    assert json.dumps(registry.lineage(version))


def test_a_lost_bundle_folder_comes_back_from_the_artifacts_and_a_damaged_one_stays_as_evidence(
    registry: Registry,
) -> None:
    version = register(registry)
    before = {path.name: path.read_bytes() for path in version.bundle_path.iterdir()}
    assert registry.restore_bundle(version) is False
    shutil.rmtree(version.bundle_path)
    assert registry.restore_bundle(version) is True
    assert {path.name: path.read_bytes() for path in version.bundle_path.iterdir()} == before
    (version.bundle_path / "manifest.json").write_bytes(b"changed")
    assert registry.restore_bundle(version) is False
    assert not registry.verify().ok


def test_further_artifacts_of_a_version_are_looked_after_by_the_audit(registry: Registry) -> None:
    digest = registry.artifacts.put(b"the fitted pipeline")
    register(registry, attachments={"pipeline": digest})
    assert registry.verify().ok
    registry.artifacts.delete(digest)
    assert not registry.verify().ok


def test_an_alias_that_moved_meanwhile_is_not_moved_again(registry: Registry) -> None:
    for content in ("one", "two", "three"):
        register_tiny(registry, content=content)
    registry.move_alias("machines", "production", 1, TESTER, "first", expected_holder=None)
    entries = len(registry.ledger.entries())
    for seen in (None, 2):
        with pytest.raises(AliasMoved, match="moved meanwhile") as refused:
            registry.move_alias("machines", "production", 3, TESTER, "late", expected_holder=seen)
        assert (refused.value.code, refused.value.exit_code) == ("FB-REG-012", 1)
    assert len(registry.ledger.entries()) == entries
    assert registry.move_alias("machines", "production", 2, TESTER, "seen", expected_holder=1).number == 2
    assert registry.move_alias("machines", "production", 3, TESTER, "blind").number == 3


@pytest.mark.parametrize("alias", ["production", "2026-q1", "a", "0x", "under_score", "x" * 64])
def test_an_alias_may_be_named_as_a_gate_of_the_project_file(alias: str) -> None:
    assert is_name(alias)
    assert check_alias(alias) == alias


@pytest.mark.parametrize("alias", ["", "v1.2", "-a", "_a", "a b", "x" * 65, "ä", "12", "latest"])
def test_an_alias_that_no_gate_could_have_or_that_means_something_else_is_refused(alias: str) -> None:
    with pytest.raises(NameRefused, match="neither a number nor"):
        check_alias(alias)


STARTER = """
import os, signal, sys
from pathlib import Path
from flyball.testing.registries import TESTER, open_registry
registry = open_registry(Path(sys.argv[1]), store=sys.argv[2])
print(registry.start_run("loop", {}, TESTER), flush=True)
if sys.argv[3] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""


def run_out(store: Store, run_id: str) -> None:
    """Let the time pass after which a lease that nobody renews runs out."""
    if store.kind == "postgresql":
        store.edit(f"UPDATE leases SET expires = expires - 40000000 WHERE name = '{run_id}'")


def test_runs_of_dead_processes_are_closed_and_those_of_living_ones_stay(registry: Registry, store: Store) -> None:
    mine = registry.start_run("loop", {}, TESTER)
    command = [sys.executable, "-c", STARTER, str(store.folder), store.url]
    dead = subprocess.run([*command, "die"], capture_output=True, text=True, check=False).stdout.strip()
    run_out(store, dead)
    with subprocess.Popen([*command, "live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        living = process.stdout.readline().strip()
        registry.clean_leftovers()
        assert [registry.run(one).status for one in (mine, dead, living)] == ["running", "interrupted", "running"]
        process.stdin.close()
    run_out(store, living)
    registry.clean_leftovers()
    registry.clean_leftovers()
    assert registry.run(living).status == "interrupted"
    assert registry.run(living).finished is not None
    assert [entry.subject for entry in registry.ledger.entries(what="run.finished")] == [dead, living]
    assert registry.finish_run(mine, "done").status == "done"
    assert list((store.folder / "runs").glob("*")) == []
    assert registry.verify().ok


def test_leftovers_of_half_written_artifacts_are_cleaned_with_the_rest(registry: Registry) -> None:
    registry.artifacts.put(b"whole")
    staging = registry.artifacts.root / "staging"
    for name, age in (("old", 2 * 86_400), ("new", 60)):
        (staging / name).write_bytes(b"half")
        os.utime(staging / name, (time.time() - age,) * 2)
    registry.clean_leftovers()
    assert [path.name for path in staging.iterdir()] == ["new"]
