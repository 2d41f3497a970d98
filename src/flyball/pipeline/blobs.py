"""Bytes of a step's outputs, in and out of the artifact store."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from flyball.core.canonical import canonical_json
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore

__all__ = ["get_bytes", "get_json", "present", "put_bytes", "put_json"]


def put_bytes(artifacts: ArtifactStore, data: bytes) -> str:
    """Keep bytes; their digest."""
    return artifacts.put(io.BytesIO(data))


def get_bytes(artifacts: ArtifactStore, digest: str) -> bytes:
    """Bytes by their digest. Raises ArtifactMissing or ArtifactCorrupt."""
    with artifacts.open(digest) as file:
        return file.read()


def put_json(artifacts: ArtifactStore, value: Any) -> str:
    """Keep a JSON value in its canonical form; its digest."""
    return put_bytes(artifacts, canonical_json(value))


def get_json(artifacts: ArtifactStore, digest: str) -> Any:
    """A JSON value by its digest."""
    return json.loads(get_bytes(artifacts, digest))


def present(artifacts: ArtifactStore, digests: Iterable[str]) -> bool:
    """Whether every one of these can be read and still matches its digest."""
    try:
        for digest in digests:
            get_bytes(artifacts, digest)
    except (ArtifactMissing, ArtifactCorrupt):
        return False
    return True
