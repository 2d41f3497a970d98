from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from flyball.ledger import CannotErase, Draft, EntryUnknown, Ledger, LedgerDamaged, NotRecordable
from flyball.ledger.merkle import verify_consistency, verify_inclusion
from flyball.registry import Registry
from flyball.testing.registries import TESTER, open_registry, register_tiny
from support.stores import Store


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    opened = open_registry(store.folder, store=store.url)
    yield opened
    opened.database.close()


@pytest.fixture
def ledger(registry: Registry) -> Ledger:
    return registry.ledger


def add(ledger: Ledger, *subjects: str, payload: object = None) -> None:
    with ledger.database.write("test") as tx:
        ledger.append(tx, *[Draft("test.made", subject, TESTER, payload=payload) for subject in subjects])


def test_a_ledger_begins_with_the_project_and_its_key_and_only_once(ledger: Ledger) -> None:
    ledger.begin("another", TESTER)
    assert next((entry.seq, entry.what, entry.subject) for entry in ledger.entries()) == (1, "project.created", "tiny")
    assert [entry.what for entry in ledger.entries()] == ["project.created", "key.created"]
    assert ledger.verify().ok


def test_each_entry_holds_the_hash_of_the_one_before(ledger: Ledger) -> None:
    add(ledger, "a", "b")
    add(ledger, "c")
    entries = ledger.entries()
    assert [entry.prev for entry in entries] == ["0" * 64, *[entry.hash for entry in entries[:-1]]]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]


def test_a_checkpoint_is_signed_with_every_batch_and_copied_beside_the_store(ledger: Ledger) -> None:
    add(ledger, "a", "b")
    assert ledger.anchor()["size"] == 4
    assert json.loads(ledger.head.read_bytes()) == ledger.anchor()


def test_an_entry_that_cannot_be_recorded_takes_the_whole_batch_with_it(ledger: Ledger) -> None:
    with pytest.raises(NotRecordable, match="cannot be recorded"):
        add(ledger, "a", payload={"share": float("nan")})
    assert len(ledger.entries()) == 2
    assert ledger.verify().ok


def test_the_log_is_filtered_by_subject_by_verb_and_from_the_end(ledger: Ledger) -> None:
    add(ledger, "machines", "machines@1", "machinery", "machines@production")
    assert [entry.subject for entry in ledger.entries(subject="machines")] == [
        "machines",
        "machines@1",
        "machines@production",
    ]
    assert [entry.subject for entry in ledger.entries(what="test", newest=True, limit=2)] == [
        "machines@production",
        "machinery",
    ]
    assert [entry.what for entry in ledger.entries(what="key")] == ["key.created"]
    assert ledger.entries(limit=0) == []


def test_entries_and_payloads_are_found_by_number(ledger: Ledger) -> None:
    add(ledger, "a", payload={"rows": 3})
    assert ledger.entry(3).subject == "a"
    assert ledger.payload(3) == {"rows": 3}
    assert ledger.payload(1) is None
    for ask in (ledger.entry, ledger.payload, ledger.prove_inclusion):
        with pytest.raises(EntryUnknown):
            ask(99)


def test_every_entry_is_proven_inside_the_newest_checkpoint(ledger: Ledger) -> None:
    add(ledger, *"abcdefg")
    size, root = ledger.anchor()["size"], bytes.fromhex(ledger.anchor()["root"])
    for entry in ledger.entries():
        proof = ledger.prove_inclusion(entry.seq)
        assert verify_inclusion(bytes.fromhex(entry.hash), entry.seq - 1, size, proof, root)


def test_a_later_checkpoint_is_proven_to_extend_an_earlier_one(ledger: Ledger) -> None:
    old = ledger.anchor()
    add(ledger, *"abc")
    new = ledger.anchor()
    proof = ledger.prove_consistency(old["size"])
    roots = bytes.fromhex(old["root"]), bytes.fromhex(new["root"])
    assert verify_consistency(old["size"], new["size"], *roots, proof)
    with pytest.raises(EntryUnknown):
        ledger.prove_consistency(99)


def test_an_erased_payload_is_gone_from_the_store_and_the_chain_holds(ledger: Ledger, store: Store) -> None:
    add(ledger, "a", payload={"name": "Ada Lovelace, Ockham Park"})
    erased = ledger.erase(3, "asked by the person", TESTER)
    assert (erased.what, erased.subject) == ("payload.erased", "entry:3")
    assert ledger.payload(3) is None
    assert ledger.verify().ok
    for path in store.folder.glob("flyball.db*"):
        assert b"Ockham" not in path.read_bytes()
    if store.server is not None:
        assert not any(b"Ockham" in path.read_bytes() for path in store.server.table_files(store.url))
    with pytest.raises(EntryUnknown, match="no payload"):
        ledger.erase(3, "again", TESTER)


def test_erasing_takes_the_details_out_of_the_governed_tables_too(registry: Registry) -> None:
    version = register_tiny(registry)
    registry.move_alias("machines", "production", 1, TESTER, "go", payload={"approved by": "Ada"})
    registry.ledger.erase(version.seq, "asked", TESTER)
    registry.ledger.erase(version.seq + 1, "asked", TESTER)
    bare = registry.resolve("machines@production")
    assert (bare.number, bare.content_hash, bare.files) == (1, version.content_hash, version.files)
    assert (bare.task, bare.metrics) == ("", {})
    assert registry.alias_history("machines")[0].details == {}
    assert registry.verify().ok


def test_a_public_key_is_not_erased(ledger: Ledger) -> None:
    with pytest.raises(CannotErase, match="public key"):
        ledger.erase(2, "tidy", TESTER)
    assert ledger.verify().ok


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_entries SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 3",
        "DELETE FROM ledger_entries WHERE seq = 3",
        "DELETE FROM ledger_head",
        "UPDATE ledger_head SET tip = 'x'",
        "UPDATE ledger_head SET frontier = x'00'",
        "DELETE FROM ledger_checkpoints",
        "UPDATE ledger_checkpoints SET body = x'7b7d' WHERE size = 3",
        "DELETE FROM signing_keys",
    ],
)
def test_nothing_is_added_to_a_ledger_whose_end_contradicts_itself(ledger: Ledger, store: Store, damage: str) -> None:
    add(ledger, "a")
    store.edit(damage)
    with pytest.raises(LedgerDamaged, match="audit verify"):
        add(ledger, "b")
    assert not ledger.verify().ok


def test_governed_tables_are_rebuilt_from_the_ledger_alone_even_when_dropped(registry: Registry, store: Store) -> None:
    registry.record_dataset("telemetry", "ab" * 32, registry.artifacts.put(b"rows"), {"rows": 4}, TESTER)
    register_tiny(registry)
    register_tiny(registry, content="better")
    registry.move_alias("machines", "production", 1, TESTER, "first")
    registry.move_alias("machines", "production", 2, TESTER, "second")
    names = [table.name for table in registry.ledger.governed] + ["ledger_head"]
    before = store.dump(names)
    store.edit(
        "DROP TABLE model_versions",
        "DROP TABLE ledger_head",
        "DELETE FROM signing_keys",
        "UPDATE aliases SET number = 1",
        "INSERT INTO models VALUES ('ghost', 'now', 9)",
    )
    assert not registry.verify().ok
    counts = registry.ledger.rebuild()
    assert counts["model_versions"] == 2
    assert counts["signing_keys"] == 1
    assert store.dump(names) == before
    assert registry.verify().ok
    assert register_tiny(registry, content="best").number == 3


def test_nothing_is_rebuilt_from_a_damaged_ledger(registry: Registry, store: Store) -> None:
    register_tiny(registry)
    store.edit("UPDATE ledger_payloads SET body = x'7b7d' WHERE seq = 3")
    before = store.dump(["model_versions"])
    with pytest.raises(LedgerDamaged, match="payload of entry 3"):
        registry.ledger.rebuild()
    assert store.dump(["model_versions"]) == before
