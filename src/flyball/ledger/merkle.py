"""Merkle trees over hashes: roots, and proofs that an entry is inside or that a history only grew (RFC 6962 §2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "consistency_proof",
    "inclusion_proof",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree reduced to what further growth needs: the roots of its full subtrees, largest first.

    There is one per set bit of `size`. Growing by a leaf costs O(1) hashes on average, the root O(log size).
    """

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def grow(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaves (raw, not yet hashed), in order."""
        size, nodes = self.size, list(self.nodes)
        for data in leaves:
            node, carry = _leaf(data), size
            while carry & 1:
                node = _node(nodes.pop(), node)
                carry >>= 1
            nodes.append(node)
            size += 1
        return Frontier(size, tuple(nodes))

    def root(self) -> bytes:
        """The tree's root hash, 32 bytes."""
        if not self.nodes:
            return EMPTY_ROOT
        result = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            result = _node(node, result)
        return result

    def to_bytes(self) -> bytes:
        return b"".join(self.nodes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Raises ValueError when `data` does not hold one hash per set bit of `size`."""
        if size < 0 or len(data) != 32 * size.bit_count():
            raise ValueError(f"a frontier of size {size} does not have {len(data)} bytes")
        return cls(size, tuple(data[at : at + 32] for at in range(0, len(data), 32)))


def root(leaves: Sequence[bytes]) -> bytes:
    """The root hash over all leaves.

    >>> root([]).hex()[:8], root([b""]).hex()[:8]
    ('e3b0c442', '6e340b9c')
    """
    return Frontier().grow(leaves).root()


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes on the way from leaf `index` up to the root, lowest first.

    Raises IndexError when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    proof: list[bytes] = []
    while len(leaves) > 1:
        split = _split(len(leaves))
        if index < split:
            proof.append(root(leaves[split:]))
            leaves = leaves[:split]
        else:
            proof.append(root(leaves[:split]))
            leaves, index = leaves[split:], index - split
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `proof` shows that `leaf` stands at `index` in the tree of `size` leaves with root `expected`.

    RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, _leaf(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = _node(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = _node(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == expected


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Hashes which show that the tree of the first `old` leaves is a prefix of the tree of all of them.

    Raises IndexError when `old` is negative or larger than the tree. Empty for old = 0 and old = all.
    """
    if not 0 <= old <= len(leaves):
        raise IndexError(f"no prefix of {old} in a tree of {len(leaves)}")
    if old in (0, len(leaves)):
        return []
    return _subproof(leaves, old, whole=True)


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    split = _split(len(leaves))
    if old <= split:
        return [*_subproof(leaves[:split], old, whole=whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], old - split, whole=False), root(leaves[:split])]


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `new` leaves only grew from the tree of `old`. RFC 9162 §2.1.4.2."""
    if old == new:
        return not proof and old_root == new_root
    if not 0 <= old < new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = _node(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
