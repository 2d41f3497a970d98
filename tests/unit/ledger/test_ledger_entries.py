from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from flyball.ledger import Actor, Checkpoint, Draft, Entry, NotRecordable
from flyball.ledger.checkpoints import signature_holds
from flyball.ledger.entries import GENESIS, seal

ADA = Actor("user", "ada", "os")
DIGEST = "ab" * 32
TIME = "2026-01-01T00:00:00.000000Z"


def sealed(**changes: Any) -> tuple[Entry, bytes]:
    given = {"what": "alias.moved", "subject": "machines@production", "actor": ADA, "binds": {"version": DIGEST}}
    return seal(Draft(**{**given, **changes}), seq=1, prev=GENESIS, time=TIME, payload=None)


def test_an_entry_is_the_canonical_json_of_version_one() -> None:
    entry, body = sealed(why="größer")
    assert body == (
        '{"actor":{"auth":"os","id":"ada","kind":"user"},"binds":{"version":"' + DIGEST + '"},"payload":null,"prev":"'
        + GENESIS + '","seq":1,"subject":"machines@production","time":"' + TIME + '","v":1,"what":"alias.moved",'
        '"why":"größer"}'
    ).encode()  # fmt: skip
    assert entry.hash == hashlib.sha256(body).hexdigest()
    assert Entry.parse(body) == entry
    assert entry.to_dict() == {**json.loads(body), "hash": entry.hash}


@pytest.mark.parametrize(
    "changes",
    [
        {"what": "moved"},
        {"what": "Alias.Moved"},
        {"subject": ""},
        {"binds": {"version": "AB" * 32}},
        {"binds": {"version": "ab"}},
        {"binds": {"version": 3}},
        {"why": "\ud800"},
    ],
)
def test_what_has_no_place_in_the_ledger_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotRecordable) as caught:
        sealed(**changes)
    assert caught.value.code == "FB-LEDGER-001"


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"seq": "1"},
        {"seq": True},
        {"time": 3},
        {"binds": []},
        {"binds": {"a": "b"}},
        {"actor": {"kind": "user"}},
        {"payload": "short"},
        {"extra": 1},
    ],
)
def test_json_that_is_no_entry_of_version_one_is_not_parsed(change: dict[str, Any]) -> None:
    _, body = sealed()
    with pytest.raises(ValueError, match=r"version|type|digests|actor|payload"):
        Entry.parse(json.dumps({**json.loads(body), **change}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"size": 0},
        {"size": "5"},
        {"size": 2**53},
        {"root": "ab"},
        {"key": None},
        {"time": 7},
        {"signature": "no base64!"},
        {"signature": None},
        {"extra": 1},
    ],
)
def test_json_that_is_no_checkpoint_is_not_parsed(change: dict[str, Any]) -> None:
    whole = {"v": 1, "size": 5, "root": DIGEST, "time": TIME, "key": DIGEST, "signature": "AAAA"}
    assert Checkpoint.from_dict(whole).to_dict() == whole
    with pytest.raises(ValueError, match=r".+"):
        Checkpoint.from_dict({**whole, **change})


def test_a_signature_by_what_is_no_key_does_not_hold() -> None:
    assert not signature_holds(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"x", b"message")


def test_the_local_actor_is_the_account_of_this_process() -> None:
    actor = Actor.local()
    assert (actor.kind, actor.auth) == ("user", "os")
    assert Actor.from_dict(actor.to_dict()) == actor
