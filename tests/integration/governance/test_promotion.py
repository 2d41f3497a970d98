"""An alias moves through its gate only, and the ledger knows either way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball.governance import (
    GateRefused,
    RuleInvalid,
    git_commit,
    judge_evidence,
    judge_version,
    promote,
    sign_bundle,
)
from flyball.ledger import KeyRing
from flyball.registry import ModelVersion, Registry
from flyball.testing.registries import TESTER, open_registry, tiny_bundle
from flyball_runtime.signature import FilesDiffer, verify_files
from support.stores import Store


def evidence(value: float) -> dict[str, Any]:
    found = {"roc_auc": {"value": value, "low": value - 0.05, "high": value + 0.05}}
    guess = {"roc_auc": {"value": 0.5, "low": 0.5, "high": 0.5}}
    return {"task": "binary", "metric": "roc_auc", "metrics": {"test": found, "baseline": guess}}


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    opened = open_registry(store.folder, store=store.url)
    yield opened
    opened.database.close()


def version(registry: Registry, value: float) -> ModelVersion:
    return registry.register_version(
        "machines",
        task="binary",
        build=lambda number, checkpoint: tiny_bundle("machines", number, checkpoint, content=f"graph {value}"),
        evidence=evidence(value),
        dataset_version=None,
        run_id=None,
        actor=TESTER,
        reason="test",
    )


def test_a_version_that_passes_gets_the_alias_and_the_verdict_is_kept(registry: Registry) -> None:
    made = version(registry, 0.8)
    moved = promote(registry, made, "production", {"roc_auc": ">= 0.7"}, TESTER, reason="quarterly")
    assert (moved.alias, moved.number) == ("production", made.number)
    assert registry.resolve(f"{made.model}@production").number == made.number
    passed, alias = registry.ledger.entries()[-2:]
    assert (passed.what, alias.what) == ("gate.passed", "alias.moved")
    assert passed.binds["evidence"] == made.evidence_digest
    assert registry.ledger.payload(passed.seq)["results"][0]["rule"] == "roc_auc >= 0.7"
    assert registry.verify().ok


def test_a_refusal_moves_nothing_but_is_remembered(registry: Registry) -> None:
    made = version(registry, 0.6)
    with pytest.raises(GateRefused, match="was not promoted to production"):
        promote(registry, made, "production", {"roc_auc": ">= 0.7"}, TESTER, reason="hope")
    assert registry.aliases(made.model) == []
    entry = registry.ledger.entries()[-1]
    assert (entry.what, entry.subject, entry.why) == ("gate.refused", f"{made.model}@{made.number}", "hope")
    assert registry.ledger.payload(entry.seq)["passed"] is False
    assert registry.verify().ok


def test_a_worse_version_does_not_replace_the_one_in_production(registry: Registry) -> None:
    rules = {"no_worse_than": "production"}
    good, bad, better = (version(registry, value) for value in (0.8, 0.7, 0.9))
    promote(registry, good, "production", rules, TESTER, reason="first")
    with pytest.raises(GateRefused) as caught:
        promote(registry, bad, "production", rules, TESTER, reason="second")
    assert f"{good.model}@{good.number}" in str(caught.value)
    promote(registry, better, "production", rules, TESTER, reason="third")
    promote(registry, better, "production", rules, TESTER, reason="again: it is no worse than itself")
    assert registry.resolve(f"{good.model}@production").number == better.number


def test_an_alias_without_a_gate_moves_freely(registry: Registry) -> None:
    made = version(registry, 0.5)
    promote(registry, made, "scratch", {}, TESTER, reason="look")
    assert registry.ledger.entries()[-1].what == "alias.moved"
    assert not [entry for entry in registry.ledger.entries() if entry.what.startswith("gate.")]


def test_judging_changes_nothing(registry: Registry) -> None:
    made = version(registry, 0.6)
    before = len(registry.ledger.entries())
    assert not judge_version(registry, made, "production", {"roc_auc": ">= 0.7"}).passed
    assert len(registry.ledger.entries()) == before


def test_rules_that_cannot_be_read_leave_no_entry(registry: Registry) -> None:
    made = version(registry, 0.6)
    before = len(registry.ledger.entries())
    with pytest.raises(RuleInvalid):
        promote(registry, made, "production", {"roc_auc": "good"}, TESTER, reason="x")
    assert len(registry.ledger.entries()) == before


def test_a_signed_bundle_verifies_and_an_edited_one_does_not(registry: Registry) -> None:
    keys = KeyRing(registry.ledger)
    files = sign_bundle({"model.onnx": b"graph", "manifest.json": b"{}"}, keys)
    signature = files.pop("signature")
    assert verify_files(files, signature, keys.public_pem()) == keys.current_id
    with pytest.raises(FilesDiffer, match=r"edited|changed|differ"):
        verify_files({**files, "model.onnx": b"other"}, signature, keys.public_pem())


def test_signing_again_replaces_the_signature(registry: Registry) -> None:
    keys = KeyRing(registry.ledger)
    once = sign_bundle({"manifest.json": b"{}"}, keys)
    twice = sign_bundle(once, keys)
    assert set(twice) == {"manifest.json", "signature"}
    assert verify_files({"manifest.json": b"{}"}, twice["signature"], keys.public_pem()) == keys.current_id


def test_the_commit_says_when_files_differ_from_it(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    file = tmp_path / "a.txt"
    file.write_text("1")
    for command in (["init", "-q"], ["add", "a.txt"], [*author, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    clean = git_commit(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    file.write_text("2")
    assert git_commit(tmp_path) == clean + "+changes"


def test_evidence_without_a_version_is_held_against_the_same_holder(registry: Registry) -> None:
    rules = {"no_worse_than": "production"}
    held = version(registry, 0.8)
    assert judge_evidence(registry, "machines", evidence(0.1), "candidate", rules).passed
    promote(registry, held, "production", {}, TESTER, reason="first")
    worse = judge_evidence(registry, "machines", evidence(0.7), "candidate", rules)
    assert not worse.passed
    assert "machines@1 0.80" in worse.results[0].measured
    assert worse.results == judge_version(registry, version(registry, 0.7), "candidate", rules).results
    itself = judge_version(registry, held, "candidate", rules)
    assert itself.passed
    assert itself.results[0].measured == "machines@1 itself holds production"
    assert judge_evidence(registry, "new", evidence(0.7), "candidate", rules).passed
