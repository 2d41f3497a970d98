from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flyball.ledger import KeyMissing, KeyRing, KeyUnknown, LedgerDamaged
from flyball.registry import Registry
from flyball.testing.registries import TESTER, open_registry, register_tiny
from support.stores import Store


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    opened = open_registry(store.folder, store=store.url)
    yield opened
    opened.database.close()


@pytest.fixture
def ring(registry: Registry) -> KeyRing:
    return KeyRing(registry.ledger)


def codes(registry: Registry) -> set[str]:
    return {problem.code for problem in registry.verify().problems}


def test_a_private_key_is_readable_by_its_owner_only(ring: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys" / f"{ring.current_id}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_a_key_is_named_by_the_digest_of_its_public_half_and_signs_with_p256(ring: KeyRing) -> None:
    public = serialization.load_pem_public_key(ring.public_pem())
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(der).hexdigest() == ring.current_id
    public.verify(ring.sign(b"message"), b"message", ec.ECDSA(hashes.SHA256()))


def test_rotation_retires_the_old_key_and_its_signatures_go_on_counting(registry: Registry, ring: KeyRing) -> None:
    old = ring.current_id
    register_tiny(registry)
    new = ring.rotate(TESTER, "yearly")
    assert [(key.id, key.status) for key in ring.list()] == [(old, "retired"), (new.id, "current")]
    register_tiny(registry, content="next")
    assert registry.ledger.anchor()["key"] == new.id
    assert registry.verify().ok
    assert [entry.what for entry in registry.ledger.entries(what="key")] == ["key.created", "key.rotated"]


def test_revoking_the_current_key_makes_another_and_destroys_the_private_half(
    registry: Registry, ring: KeyRing, tmp_path: Path
) -> None:
    old = ring.current_id
    new = ring.revoke(old[:12], TESTER, "laptop stolen")
    assert [(key.id, key.status) for key in ring.list()] == [(old, "revoked"), (new.id, "current")]
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [f"{new.id}.pem"]
    assert [key["revoked"] for key in ring.trust()["keys"]] == [True, False]
    assert ring.revoke(old, TESTER, "again").id == new.id
    assert len(ring.list()) == 2
    assert registry.verify().ok


def test_revoking_a_retired_key_leaves_the_current_one(registry: Registry, ring: KeyRing) -> None:
    old = ring.current_id
    new = ring.rotate(TESTER, "yearly")
    assert ring.revoke(old, TESTER, "leaked").id == new.id
    assert [key.status for key in ring.list()] == ["revoked", "current"]
    assert registry.verify().ok


def test_the_trust_document_is_what_the_runtime_reads(ring: KeyRing) -> None:
    from flyball_runtime.trust import read_trust

    old = ring.current_id
    new = ring.revoke(old, TESTER, "leaked")
    assert [(key.id, key.revoked) for key in read_trust(ring.trust())] == [(old, True), (new.id, False)]


def test_a_key_that_is_not_the_projects_is_unknown(ring: KeyRing) -> None:
    for wrong in ("", "ab", "f" * 64):
        with pytest.raises(KeyUnknown, match="keys of this project"):
            ring.get(wrong)


def test_a_lost_or_exchanged_private_key_is_a_coded_error_and_nothing_is_written(
    registry: Registry, ring: KeyRing, store: Store, tmp_path: Path
) -> None:
    ring.rotate(TESTER, "yearly")
    old, new = (tmp_path / "keys" / f"{key.id}.pem" for key in ring.list())
    kept = new.read_bytes()
    fresh = open_registry(tmp_path, store=store.url)
    for content in (None, b"junk", old.read_bytes()):
        new.unlink() if content is None else new.write_bytes(content)
        with pytest.raises(KeyMissing, match="keys rotate"):
            register_tiny(fresh)
    new.write_bytes(kept)
    assert fresh.models() == []
    assert register_tiny(fresh).number == 1
    fresh.database.close()


def test_a_key_made_without_the_word_of_the_one_before_is_named_until_it_is_accepted(
    registry: Registry, ring: KeyRing, tmp_path: Path
) -> None:
    (tmp_path / "keys" / f"{ring.current_id}.pem").unlink()
    new = KeyRing(registry.ledger).rotate(TESTER, "the old key was lost")
    assert codes(registry) == {"FB-AUDIT-015"}
    assert registry.verify(accepted_keys=[new.id]).ok


def test_a_checkpoint_by_a_key_that_was_revoked_before_is_named(
    registry: Registry, ring: KeyRing, tmp_path: Path
) -> None:
    old, path = ring.current_id, tmp_path / "keys" / f"{ring.current_id}.pem"
    secret = path.read_bytes()
    ring.revoke(old, TESTER, "stolen")
    path.write_bytes(secret)
    honest = registry.ledger.newest_checkpoint()
    assert honest is not None
    forged = type(honest).sign(
        honest.size,
        bytes.fromhex(honest.root),
        honest.time,
        old,
        lambda message: registry.ledger.keys.sign(old, message),
    )
    assert codes(registry) == set()
    problems = registry.verify(checkpoints=[forged.to_dict()]).problems
    assert [problem.code for problem in problems] == ["FB-AUDIT-010"]


def test_a_checkpoint_by_a_strangers_key_is_named(registry: Registry, tmp_path: Path) -> None:
    stranger = open_registry(tmp_path / "stranger")
    problems = registry.verify(checkpoints=[stranger.ledger.anchor()]).problems
    assert {problem.code for problem in problems} == {"FB-AUDIT-010", "FB-AUDIT-011"}
    stranger.database.close()


@pytest.mark.parametrize("known", [True, False])
def test_what_a_crash_left_of_a_key_is_settled_or_removed_by_the_next_change(
    registry: Registry, ring: KeyRing, tmp_path: Path, known: bool
) -> None:
    keys = tmp_path / "keys"
    if known:
        path = keys / f"{ring.current_id}.pem"
        path.rename(keys / f"{ring.current_id}.pem.new")
        assert register_tiny(registry).number == 1
    else:
        registry.ledger.keys.create()
    ring.rotate(TESTER, "yearly")
    assert sorted(path.name for path in keys.iterdir()) == sorted(f"{key.id}.pem" for key in ring.list())


def test_the_anchor_is_one_json_object_to_keep_elsewhere(registry: Registry, tmp_path: Path) -> None:
    anchor = registry.ledger.anchor()
    assert anchor.keys() == {"v", "size", "root", "time", "key", "signature"}
    (tmp_path / "anchor.json").write_text(json.dumps(anchor))
    register_tiny(registry)
    assert registry.verify(checkpoints=[tmp_path / "anchor.json", [anchor][0]]).ok


def test_too_few_digits_of_a_key_are_called_too_few(ring: KeyRing) -> None:
    with pytest.raises(KeyUnknown, match="at least 8 digits"):
        ring.get(ring.current_id[:7])
    assert ring.get(ring.current_id[:8]).id == ring.current_id


def test_a_ledger_is_rebuilt_over_a_key_that_somebody_accepts(registry: Registry, ring: KeyRing, store: Store) -> None:
    (registry.ledger.keys.folder / f"{ring.current_id}.pem").unlink()
    new = KeyRing(open_registry(registry.database.folder, begin=False, store=store.url).ledger).rotate(
        TESTER, "the old one is lost"
    )
    with pytest.raises(LedgerDamaged):
        registry.ledger.rebuild()
    assert registry.rebuild(accepted_keys=[new.id])["signing_keys"] == 2
    assert registry.ledger.rebuild(accepted_keys=[new.id])["signing_keys"] == 2
    assert registry.verify(accepted_keys=[new.id]).ok


def test_a_revocation_that_a_crash_cut_short_is_finished_when_the_project_opens(
    registry: Registry, ring: KeyRing, store: Store, tmp_path: Path
) -> None:
    old = ring.current_id
    path = tmp_path / "keys" / f"{old}.pem"
    secret = path.read_bytes()
    new = ring.revoke(old, TESTER, "leaked")
    path.write_bytes(secret)
    with registry.database.write("test") as tx:  # an edited table is not believed
        tx.connection.exec_driver_sql("UPDATE signing_keys SET status = 'revoked'")
    open_registry(tmp_path, store=store.url).database.close()
    assert [other.name for other in path.parent.iterdir()] == [f"{new.id}.pem"]
