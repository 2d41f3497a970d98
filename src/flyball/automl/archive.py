"""Pipelines as files: arrays in an npz, the rest as JSON inside it, nothing that runs when read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.linear import CategoryTable, LinearModel
from flyball.automl.network import NetworkModel
from flyball.automl.pipeline import Calibration, FittedPipeline, Member, PredictionInterval, PredictionSet
from flyball.automl.spread import Spread
from flyball.features import Frame, TargetEncoding
from flyball.trees import LeafForest, TreeEnsemble
from flyball_runtime.arrays import ArraysInvalid, pack_arrays, unpack_arrays
from flyball_runtime.windows import WindowSpec

if TYPE_CHECKING:
    from flyball.automl.search import Learned

__all__ = ["pack_learned", "pack_pipeline", "unpack_learned", "unpack_pipeline"]

# 4 knows networks and forests, 3 window features, 2 spreads and class sets; all earlier ones are still read
_FORMAT = 4
_SPREAD = "interval.spread"
_LINEAR_ARRAYS = ("features", "mean", "scale", "coef", "missing", "intercept", "center")
Arrays = dict[str, NDArray[Any]]


def pack_pipeline(pipeline: FittedPipeline) -> bytes:
    """The pipeline as npz bytes."""
    arrays: Arrays = {}
    return _pack({"format": _FORMAT, "pipeline": _describe(pipeline, arrays)}, arrays)


def unpack_pipeline(raw: bytes) -> FittedPipeline:
    """The pipeline of `pack_pipeline`. Raises ArraysInvalid."""
    header, arrays = _unpack(raw)
    return _restored(header, arrays)


def pack_learned(learned: Learned) -> bytes:
    """A search's whole result as npz bytes."""
    arrays: Arrays = {"oof": learned.oof, "oof_margin": learned.oof_margin}
    for position, text in enumerate(learned.natives.values()):
        arrays[f"native.{position}"] = np.frombuffer(text.encode(), dtype=np.uint8)
    header = {
        "format": _FORMAT,
        "pipeline": _describe(learned.pipeline, arrays),
        "leaderboard": learned.leaderboard,
        "seconds": learned.seconds,
        "notes": learned.notes,
        "natives": list(learned.natives),
    }
    return _pack(header, arrays)


def unpack_learned(raw: bytes) -> Learned:
    """The result of `pack_learned`. Raises ArraysInvalid."""
    from flyball.automl.search import Learned

    header, arrays = _unpack(raw)
    pipeline = _restored(header, arrays)
    try:
        return Learned(
            pipeline=pipeline,
            oof=arrays["oof"],
            oof_margin=arrays["oof_margin"],
            leaderboard=header["leaderboard"],
            seconds=header["seconds"],
            notes=header["notes"],
            natives={n: arrays[f"native.{i}"].tobytes().decode() for i, n in enumerate(header["natives"])},
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ArraysInvalid("the stored search result is incomplete", why=repr(error)) from error


def _pack(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    return pack_arrays({**arrays, "header": np.frombuffer(text.encode(), dtype=np.uint8)})


def _unpack(raw: bytes) -> tuple[dict[str, Any], Arrays]:
    arrays = unpack_arrays(raw)
    try:
        header: dict[str, Any] = json.loads(arrays.pop("header").tobytes())
        if header["format"] not in (1, 2, 3, _FORMAT):
            raise ArraysInvalid(
                f"the stored pipeline is of format {header['format']}, this version reads up to format {_FORMAT}",
                fix="train the model again",
            )
    except (KeyError, ValueError, TypeError) as error:
        raise ArraysInvalid("the stored pipeline has no readable header", why=repr(error)) from error
    return header, arrays


def _describe(pipeline: FittedPipeline, arrays: Arrays) -> dict[str, Any]:
    """The pipeline's JSON part; its arrays are added to `arrays`, each shared encoding table once."""
    arrays["calibration.bias"] = pipeline.calibration.bias
    tables: dict[int, str] = {}
    members = []
    for number, member in enumerate(pipeline.members):
        encodings = []
        for encoding in member.encodings:
            key = tables.setdefault(id(encoding.table), f"encoding.{len(tables)}")
            arrays[key] = encoding.table
            encodings.append({"feature": encoding.feature, "source": encoding.source, "table": key})
        entry: dict[str, Any] = {
            "name": member.name,
            "family": member.family,
            "weight": member.weight,
            "feature_columns": list(member.feature_columns),
            "candidate": member.candidate,
            "encodings": encodings,
        }
        if member.trees is not None:
            entry["trees"] = _put_trees(member.trees, arrays, number)
        if member.linear is not None:
            entry["linear"] = _put_linear(member.linear, arrays, number)
        if member.network is not None:
            parts = member.network.to_arrays()
            arrays.update({f"{number}.network.{name}": values for name, values in parts.items()})
            entry["network"] = sorted(parts)
        if member.forest is not None:
            parts = member.forest.to_arrays()
            arrays.update({f"{number}.forest.{name}": values for name, values in parts.items()})
            entry["forest"] = sorted(parts)
        members.append(entry)
    sets = pipeline.sets
    return {
        "frame": pipeline.frame.to_dict(),
        "task": pipeline.task,
        "members": members,
        "slope": pipeline.calibration.slope,
        "classes": None if pipeline.classes is None else list(pipeline.classes),
        "class_type": pipeline.class_type,
        "interval": None if pipeline.interval is None else _put_interval(pipeline.interval, arrays),
        "threshold": pipeline.threshold,
        "sets": None if sets is None else {"thresholds": list(sets.thresholds), "level": sets.level},
        "windows": None if pipeline.windows is None else pipeline.windows.to_dict(),
    }


def _put_interval(interval: PredictionInterval, arrays: Arrays) -> dict[str, Any]:
    entry: dict[str, Any] = {name: getattr(interval, name) for name in ("low", "high", "level", "floor", "ceiling")}
    if interval.spread is not None:
        arrays[f"{_SPREAD}.knots"], arrays[f"{_SPREAD}.levels"] = interval.spread.knots, interval.spread.levels
        entry["power"] = interval.spread.power
        entry["trees"] = _put_trees(interval.spread.trees, arrays, _SPREAD)
    return entry


def _interval(entry: Mapping[str, Any] | list[float] | None, arrays: Arrays) -> PredictionInterval | None:
    if entry is None:
        return None
    if isinstance(entry, list):  # format 1
        low, high, level = entry
        return PredictionInterval(low, high, level)
    spread = None
    if "trees" in entry:
        trees = _trees(entry["trees"], arrays, _SPREAD)
        spread = Spread(arrays[f"{_SPREAD}.knots"], arrays[f"{_SPREAD}.levels"], trees, entry["power"])
    return PredictionInterval(entry["low"], entry["high"], entry["level"], spread, entry["floor"], entry["ceiling"])


def _put_trees(trees: TreeEnsemble, arrays: Arrays, number: int | str) -> list[str]:
    parts = trees.to_arrays()
    arrays.update({f"{number}.trees.{name}": values for name, values in parts.items()})
    return [f"{number}.trees.{name}" for name in sorted(parts)]


def _trees(names: list[str], arrays: Arrays, number: int | str) -> TreeEnsemble:
    prefix = f"{number}.trees."
    return TreeEnsemble.from_arrays({name.removeprefix(prefix): arrays[name] for name in names})


def _put_linear(model: LinearModel, arrays: Arrays, number: int) -> dict[str, Any]:
    for name in _LINEAR_ARRAYS:
        arrays[f"{number}.linear.{name}"] = getattr(model, name)
    for position, table in enumerate(model.tables):
        arrays[f"{number}.table.{position}"] = table.values
    return {"width": model.width, "tables": [[table.feature, table.first] for table in model.tables]}


def _restored(header: Mapping[str, Any], arrays: Arrays) -> FittedPipeline:
    try:
        raw = header["pipeline"]
        sets, windows = raw.get("sets"), raw.get("windows")
        return FittedPipeline(
            frame=Frame.from_dict(raw["frame"]),
            task=raw["task"],
            members=tuple(_member(entry, arrays, number) for number, entry in enumerate(raw["members"])),
            calibration=Calibration(raw["slope"], arrays["calibration.bias"]),
            classes=None if raw["classes"] is None else tuple(raw["classes"]),
            class_type=raw["class_type"],
            interval=_interval(raw["interval"], arrays),
            threshold=raw["threshold"],
            sets=None if sets is None else PredictionSet(tuple(sets["thresholds"]), sets["level"]),
            windows=None if windows is None else WindowSpec.from_dict(windows),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ArraysInvalid("the stored pipeline is incomplete", why=repr(error)) from error


def _member(entry: Mapping[str, Any], arrays: Arrays, number: int) -> Member:
    trees = linear = network = forest = None
    if "trees" in entry:
        trees = _trees(entry["trees"], arrays, number)
    if "linear" in entry:
        raw = entry["linear"]
        tables = tuple(
            CategoryTable(feature, first, arrays[f"{number}.table.{position}"])
            for position, (feature, first) in enumerate(raw["tables"])
        )
        fields = {name: arrays[f"{number}.linear.{name}"] for name in _LINEAR_ARRAYS}
        linear = LinearModel(width=raw["width"], tables=tables, **fields)
    if "network" in entry:
        network = NetworkModel.from_arrays({name: arrays[f"{number}.network.{name}"] for name in entry["network"]})
    if "forest" in entry:
        forest = LeafForest.from_arrays({name: arrays[f"{number}.forest.{name}"] for name in entry["forest"]})
    encodings = tuple(TargetEncoding(e["feature"], e["source"], arrays[e["table"]]) for e in entry["encodings"])
    return Member(
        name=entry["name"],
        family=entry["family"],
        weight=entry["weight"],
        feature_columns=tuple(entry["feature_columns"]),
        encodings=encodings,
        trees=trees,
        linear=linear,
        candidate=entry["candidate"],
        network=network,
        forest=forest,
    )
