"""Steps: run once for the same inputs, again when an input, a setting or the code changed."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.core.progress import Cancellation, Cancelled, NoProgress
from flyball.pipeline.steps import StepRunner


class Memory:
    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        return self.kept.get(key)

    def put(self, key: str, name: str, outputs: dict[str, Any]) -> None:
        self.kept[key] = outputs


def runner(memory: Memory, code: str = "1", cancellation: Cancellation | None = None) -> StepRunner:
    return StepRunner(memory, NoProgress(), cancellation or Cancellation(), code)


def test_a_step_with_the_same_inputs_is_reused() -> None:
    memory, done = Memory(), []
    for _ in range(2):
        steps = runner(memory)
        assert steps.run("read", {"file": "a"}, lambda: done.append(1) or {"rows": 3}) == {"rows": 3}
    assert done == [1]
    assert steps.reused == ["read"]


@pytest.mark.parametrize(("name", "inputs", "code"), [("look", "a", "1"), ("read", "b", "1"), ("read", "a", "2")])
def test_another_step_input_or_code_is_run_anew(name: str, inputs: str, code: str) -> None:
    memory, done = Memory(), []
    runner(memory).run("read", {"file": "a"}, lambda: {"made": 1})
    runner(memory, code).run(name, {"file": inputs}, lambda: done.append(1) or {"made": 2})
    assert done == [1]


def test_outputs_that_are_no_longer_usable_are_made_again() -> None:
    memory = Memory()
    runner(memory).run("read", {}, lambda: {"blob": "gone"})
    made = runner(memory).run("read", {}, lambda: {"blob": "new"}, usable=lambda outputs: outputs["blob"] != "gone")
    assert made == {"blob": "new"}


def test_a_step_that_fails_is_not_kept() -> None:
    memory = Memory()

    def fails() -> dict[str, Any]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        runner(memory).run("read", {}, fails)
    assert not memory.kept


def test_cancelled_work_begins_no_further_step() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        runner(Memory(), cancellation=cancellation).run("read", {}, dict)
