"""Steps that run once: a step's outputs are kept under the digest of everything they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from flyball.core.canonical import digest_json
from flyball.core.progress import Cancellation, Progress

__all__ = ["StepMemory", "StepRunner"]

Outputs = dict[str, Any]


class StepMemory(Protocol):
    """Keeps the outputs of finished steps. `put` is durable when it returns; `get` answers None for unknown keys."""

    def get(self, key: str) -> Outputs | None: ...

    def put(self, key: str, name: str, outputs: Outputs) -> None: ...

    def forget(self, key: str) -> None: ...


class StepRunner:
    """Runs the steps of one loop, or takes their outputs from an earlier loop with the same inputs."""

    def __init__(self, memory: StepMemory, progress: Progress, cancellation: Cancellation, code_version: str) -> None:
        self.memory = memory
        self._progress = progress
        self._cancellation = cancellation
        self.code_version = code_version
        self.reused: list[str] = []

    def run(
        self,
        name: str,
        depends_on: Mapping[str, Any],
        work: Callable[[], Outputs],
        *,
        note: Callable[[Outputs], str] = lambda _: "",
        usable: Callable[[Outputs], bool] = lambda _: True,
    ) -> Outputs:
        """The outputs of step `name`: JSON values, with large ones as digests of stored artifacts.

        `depends_on` must name every input and setting (JSON values) that can change the outputs. Earlier outputs that
        are no longer `usable` (an artifact is gone or damaged) are made again.
        """
        self._cancellation.check()
        key = digest_json({"step": name, "code": self.code_version, "depends_on": dict(depends_on)})
        self._progress.start(name)
        earlier = self.memory.get(key)
        said = None if earlier is None else _said(earlier, usable, note)
        if earlier is not None and said is not None:
            self.reused.append(name)
            self._progress.finish(name, said, reused=True)
            return earlier
        outputs = work()
        self.memory.put(key, name, outputs)
        self._progress.finish(name, note(outputs))
        return outputs


def _said(outputs: Outputs, usable: Callable[[Outputs], bool], note: Callable[[Outputs], str]) -> str | None:
    """What to say of earlier outputs; None when they cannot be used, also because a damaged row lacks their keys."""
    try:
        return note(outputs) if usable(outputs) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
