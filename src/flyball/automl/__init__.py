"""Automatic learning: from a table to a calibrated ensemble that is exported, and checked, as one graph."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.automl.allowance import Caps
    from flyball.automl.bundle import bundle_files, golden_file
    from flyball.automl.discovery import Discovery, discover_windows
    from flyball.automl.estimators import AutoClassifier, AutoRegressor
    from flyball.automl.export import export_graph
    from flyball.automl.gap import random_gap
    from flyball.automl.parity import ExportRefused, Parity, check_parity, check_windows
    from flyball.automl.pipeline import FittedPipeline, Member
    from flyball.automl.search import Learned, learn
    from flyball.automl.shift import Shift, split_shift
    from flyball.automl.task import TargetUnfit, TaskChoice, encode_target, infer_task
    from flyball.automl.worth import Worth, worth

__all__ = [
    "AutoClassifier",
    "AutoRegressor",
    "Caps",
    "Discovery",
    "ExportRefused",
    "FittedPipeline",
    "Learned",
    "Member",
    "Parity",
    "Shift",
    "TargetUnfit",
    "TaskChoice",
    "Worth",
    "bundle_files",
    "check_parity",
    "check_windows",
    "discover_windows",
    "encode_target",
    "export_graph",
    "golden_file",
    "infer_task",
    "learn",
    "random_gap",
    "split_shift",
    "worth",
]

_HOMES = {
    "allowance": ("Caps",),
    "discovery": ("Discovery", "discover_windows"),
    "bundle": ("bundle_files", "golden_file"),
    "estimators": ("AutoClassifier", "AutoRegressor"),
    "export": ("export_graph",),
    "gap": ("random_gap",),
    "parity": ("ExportRefused", "Parity", "check_parity", "check_windows"),
    "pipeline": ("FittedPipeline", "Member"),
    "search": ("Learned", "learn"),
    "shift": ("Shift", "split_shift"),
    "task": ("TargetUnfit", "TaskChoice", "encode_target", "infer_task"),
    "worth": ("Worth", "worth"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            module = import_module(f"flyball.automl.{home}")
            # all of them, because a module named as what it holds ("worth") has just taken that name here
            globals().update({one: getattr(module, one) for one in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
