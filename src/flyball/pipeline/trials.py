"""Where a search keeps its finished candidates until the step that it belongs to is done."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from flyball.core.canonical import digest_json
from flyball.pipeline.steps import StepMemory
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore, ArtifactUnreadable

__all__ = ["SearchMemory"]


class SearchMemory:
    """Candidates of one search by name: their bytes among the artifacts, the digests among the remembered steps.

    `depends_on` names everything that can change what a candidate learns. Losing an entry only costs time.
    """

    def __init__(
        self, memory: StepMemory, artifacts: ArtifactStore, code_version: str, depends_on: Mapping[str, Any]
    ) -> None:
        self._memory, self._artifacts = memory, artifacts
        self._search = digest_json({"step": "trial", "code": code_version, "depends_on": dict(depends_on)})
        self._seen: dict[str, str] = {}

    def get(self, name: str) -> bytes | None:
        outputs = self._memory.get(self._key(name))
        digest = None if outputs is None else outputs.get("trial")
        if not isinstance(digest, str):
            return None
        try:
            data = self._artifacts.read(digest)
        except (ArtifactMissing, ArtifactCorrupt, ArtifactUnreadable, ValueError):
            return None
        self._seen[self._key(name)] = digest
        return data

    def put(self, name: str, data: bytes) -> None:
        digest = self._artifacts.put(data)
        self._memory.put(self._key(name), "trial", {"trial": digest})
        self._seen[self._key(name)] = digest

    def forget(self) -> None:
        """The search is done, and what it made is kept as a whole: let its parts go."""
        for key, digest in self._seen.items():
            self._memory.forget(key)
            with contextlib.suppress(OSError):  # left to `flyball clean`
                self._artifacts.delete(digest)
        self._seen.clear()

    def _key(self, name: str) -> str:
        return digest_json({"search": self._search, "trial": name})
