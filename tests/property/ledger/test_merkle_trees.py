from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from flyball.ledger.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)

# Leaves and roots of the test vectors of certificate-transparency's reference implementation of RFC 6962.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
trees = some.lists(some.binary(max_size=4), min_size=1, max_size=40)


def defined(leaves: list[bytes]) -> bytes:
    """The tree hash exactly as RFC 6962 §2.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


@given(trees)
def test_a_root_is_what_the_standard_defines(leaves: list[bytes]) -> None:
    assert root(leaves) == defined(leaves)


@given(trees, some.integers(0, 40))
def test_a_tree_may_be_grown_in_parts_and_stored_between(leaves: list[bytes], cut: int) -> None:
    first = Frontier().grow(leaves[:cut])
    stored = Frontier.from_bytes(first.size, first.to_bytes())
    assert stored.grow(leaves[cut:]).root() == root(leaves)


@pytest.mark.parametrize(("size", "length"), [(1, 0), (3, 32), (0, 32), (-1, 32), (4, 31)])
def test_a_frontier_of_the_wrong_length_is_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier.from_bytes(size, bytes(length))


@given(trees, some.data())
def test_every_leaf_is_proven_inside_and_nothing_else_is(leaves: list[bytes], data: some.DataObject) -> None:
    index = data.draw(some.integers(0, len(leaves) - 1))
    size, proof, whole = len(leaves), inclusion_proof(leaves, index), root(leaves)
    assert verify_inclusion(leaves[index], index, size, proof, whole)
    assert not verify_inclusion(leaves[index] + b"!", index, size, proof, whole)
    assert not verify_inclusion(leaves[index], size, size, proof, whole)
    assert not verify_inclusion(leaves[index], index, size, [*proof, bytes(32)], whole)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], whole)
        broken = [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]
        assert not verify_inclusion(leaves[index], index, size, broken, whole)


@given(trees, some.data())
def test_growth_is_proven_and_a_rewritten_past_is_not(leaves: list[bytes], data: some.DataObject) -> None:
    old, new = data.draw(some.integers(0, len(leaves))), len(leaves)
    proof = consistency_proof(leaves, old)
    before, after = root(leaves[:old]), root(leaves)
    assert verify_consistency(old, new, before, after, proof)
    assert not verify_consistency(old, new, bytes(32), after, proof)
    assert not verify_consistency(old, new, before, after, [*proof, bytes(32)])
    if old:
        assert not verify_consistency(old, new, before, bytes(32), proof)
        rewritten = [b"rewritten", *leaves[1:]]
        if rewritten != leaves:
            assert not verify_consistency(old, new, before, root(rewritten), consistency_proof(rewritten, old))


@pytest.mark.parametrize("index", [-1, 3])
def test_proofs_of_what_is_not_there_are_refused(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof([b"a", b"b", b"c"], index)
    with pytest.raises(IndexError):
        consistency_proof([b"a", b"b", b"c"], index if index < 0 else 4)
