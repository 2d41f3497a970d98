"""The loop's steps: read, look, train, prove, gate, register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.pipeline.candidate import Candidate
    from flyball.pipeline.first_look import FirstLook, look_at
    from flyball.pipeline.loop import CANDIDATE_GATE, Gate, Loop, Registration
    from flyball.pipeline.settings import LoopSettings, setting_places
    from flyball.pipeline.steps import StepRunner

__all__ = [
    "CANDIDATE_GATE",
    "Candidate",
    "FirstLook",
    "Gate",
    "Loop",
    "LoopSettings",
    "Registration",
    "StepRunner",
    "look_at",
    "setting_places",
]

_HOMES = {
    "candidate": ("Candidate",),
    "first_look": ("FirstLook", "look_at"),
    "loop": ("CANDIDATE_GATE", "Gate", "Loop", "Registration"),
    "settings": ("LoopSettings", "setting_places"),
    "steps": ("StepRunner",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"flyball.pipeline.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
