"""Finished candidates of a search on file, so that one that was killed goes on where it was: arrays and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flyball.automl.allowance import Cost
from flyball.automl.candidates import Boosting, Candidate, ClassMeans, Result
from flyball.automl.forest import Forest, ForestSettings
from flyball.automl.gbm import Boosted, BoostingSettings
from flyball.automl.network import NetworkModel
from flyball.automl.network_candidate import Network
from flyball.automl.network_fit import CHECKPOINTS, NetworkSettings, Trained
from flyball.automl.portfolio import Pace
from flyball.automl.problem import Problem, View
from flyball_runtime.arrays import ArraysInvalid, pack_arrays, unpack_arrays

__all__ = ["KeptTrials", "TrialMemory", "settings_of"]

_FORMAT = 2
_MOST_KEPT = 10_000_000  # margins: 80 MB


class TrialMemory(Protocol):
    """Keeps bytes by name for one search: its data, split and settings. `put` is durable when it returns."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, data: bytes) -> None: ...


class KeptTrials:
    """The candidates that an earlier run of the same search finished. `taken`: how many were used again."""

    def __init__(self, memory: TrialMemory, problem: Problem) -> None:
        self._memory, self._problem = memory, problem
        self.taken = 0

    def pace(self) -> Pace | None:
        """As the earlier run measured it, so that its candidates are met again."""
        header = _header(self._memory.get("pace"))
        if header is None:
            return None
        return Pace(header["prepare"], header["iteration"], header["folds"])

    def epoch_seconds(self) -> float | None:
        """What a pass of a network over the rows took, as the earlier run measured it."""
        header = _header(self._memory.get("pace of networks"))
        return None if header is None else float(header["seconds"])

    def keep_epoch_seconds(self, seconds: float) -> None:
        self._memory.put("pace of networks", _pack({"seconds": seconds}, {}))

    def keep_pace(self, pace: Pace) -> None:
        self._memory.put("pace", _pack({"prepare": pace.prepare, "iteration": pace.iteration, "folds": pace.folds}, {}))

    def keep(self, result: Result) -> None:
        """Remember a finished candidate; the prior, and class means of very many classes, are made anew in no time."""
        if result.candidate.family == "prior" or result.margin.size > _MOST_KEPT:
            return
        arrays: dict[str, NDArray[Any]] = {"margin": result.margin}
        fits = []
        for number, fit in enumerate(result.fits):
            entry, parts = _packed(fit)
            if entry:
                fits.append(entry)
                arrays |= {f"{number}.{name}": values for name, values in parts.items()}
        header = {
            "score": result.score, "chosen": result.chosen, "stopped": result.stopped, "cost": asdict(result.cost),
            "seconds": result.seconds, "fits": fits, "views": [view.number for view in result.views],
        }  # fmt: skip
        self._memory.put(self._name(result.candidate), _pack(header, arrays))

    def take(self, candidate: Candidate, views: Sequence[View]) -> Result | None:
        """The candidate's result on these folds, if an earlier run finished it."""
        if candidate.family == "prior":
            return None
        raw = self._memory.get(self._name(candidate))
        header = _header(raw)
        if raw is None or header is None or header["views"] != [view.number for view in views]:
            return None
        arrays = unpack_arrays(raw)
        fits = tuple(_fit(entry, arrays, number) for number, entry in enumerate(header["fits"]))
        self.taken += 1
        return Result(
            candidate, tuple(views), fits, arrays["margin"], header["score"], header["chosen"], header["stopped"],
            Cost(**header["cost"]), header["seconds"],
        )  # fmt: skip

    def _name(self, candidate: Candidate) -> str:
        settings: dict[str, Any] = {}
        if isinstance(candidate, (Boosting, Forest, Network)):
            settings = {**asdict(candidate.settings), "bag": candidate.bag}
        return json.dumps([candidate.name, settings, self._problem.threads], sort_keys=True)


def settings_of(result: Result) -> dict[str, Any]:
    """A candidate's settings with what its folds agreed on, and the seed: enough to fit it again."""
    candidate = result.candidate
    seed = result.views[0].problem.seed if result.views else None
    if isinstance(candidate, Boosting):
        return {**_plain(candidate.settings), "iterations": result.chosen, "seed": seed}
    if isinstance(candidate, Network):
        return {**_plain(candidate.settings), "checkpoint": result.chosen, "of": CHECKPOINTS, "seed": seed}
    if isinstance(candidate, ClassMeans):
        return {"shrinkage": result.chosen[0], "temperature": result.chosen[1]}
    if isinstance(candidate, Forest):
        return {**_plain(candidate.settings), **result.chosen, "seed": seed}
    return {} if result.chosen is None else {"penalty": result.chosen, "seed": seed}


def _plain(settings: BoostingSettings | ForestSettings | NetworkSettings) -> dict[str, Any]:
    """As JSON gives them back."""
    found = {key: value for key, value in asdict(settings).items() if key != "name"}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _packed(fit: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A fold's fit as JSON values and arrays; nothing of a fit that is made anew in little time."""
    if isinstance(fit, Trained):
        return {"stopped": fit.stopped, "network": True}, fit.models[-1].to_arrays()
    if isinstance(fit, Boosted):
        text = {"text": np.frombuffer(fit.booster.model_to_string().encode(), dtype=np.uint8)}
        return {"stopped": fit.stopped}, {**text, "curve": fit.curve}
    return {}, {}


def _fit(entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], number: int) -> Boosted | Trained:
    import lightgbm

    if "network" in entry:
        prefix = f"{number}."
        own = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
        return Trained((NetworkModel.from_arrays(own),), entry["stopped"])
    text = arrays[f"{number}.text"].tobytes().decode()
    booster = lightgbm.Booster(model_str=text)
    return Boosted(booster, arrays[f"{number}.curve"], entry["stopped"])


def _pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    text = json.dumps({"format": _FORMAT, **header}, sort_keys=True, separators=(",", ":"))
    return pack_arrays({**arrays, "header": np.frombuffer(text.encode(), dtype=np.uint8)})


def _header(raw: bytes | None) -> dict[str, Any] | None:
    """What was kept, unless it is damaged or of another version: then the candidate is fitted anew."""
    if raw is None:
        return None
    try:
        header: dict[str, Any] = json.loads(unpack_arrays(raw)["header"].tobytes())
    except (ArraysInvalid, KeyError, ValueError):
        return None
    return header if header.get("format") == _FORMAT else None
