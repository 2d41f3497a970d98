"""What the Python API hands out: a dataset to learn from, a model that was learned, a registered version."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyball.registry import ModelVersion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from flyball.automl import FittedPipeline
    from flyball.explain import Explanation
    from flyball.pipeline import Candidate, LoopSettings
    from flyball.pipeline.related import Related
    from flyball.project.outcome import Promotion
    from flyball.project.project import Project
    from flyball.reports import Report
    from flyball_runtime.bundle import Bundle

__all__ = ["Dataset", "LearnedModel", "Version"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table to learn from, with what is known of it. Nothing is read before it is needed."""

    source: Any
    settings: LoopSettings
    test: Any = None
    related: Related | None = None

    def __repr__(self) -> str:
        return f"<Dataset {self.settings.dataset}: target {self.settings.target!r}>"


class _Scores(ABC):
    """What a learned and a registered model have in common: predict and explain."""

    _project: Project

    @property
    @abstractmethod
    def _bundle(self) -> Bundle: ...

    @property
    @abstractmethod
    def _pipeline(self) -> FittedPipeline: ...

    @property
    @abstractmethod
    def evidence(self) -> Mapping[str, Any]:
        """The evidence document: split, metrics with intervals, leaks, reasons, parity and the rest."""

    @property
    def classes(self) -> NDArray[Any] | None:
        """The classes in the target's own type, in the order of the probabilities; None for a regression."""
        return self._bundle.classes

    def predict(self, table: Any) -> NDArray[Any]:
        """One prediction per row: class values, or float64."""
        return self._score(table)["prediction"]

    def predict_proba(self, table: Any) -> NDArray[Any]:
        """Probabilities (rows, classes). Raises AttributeError for a regression."""
        if self._bundle.classes is None:
            raise AttributeError("a regression has no probabilities; predict_interval gives low and high")
        return self._score(table)["probability"]

    def predict_interval(self, table: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ends of the 90 % interval of a regression, (rows,) each. Raises AttributeError for a classifier."""
        if self._bundle.classes is not None:
            raise AttributeError("a classifier has probabilities and class sets, not an interval: see predict_set")
        scored = self._score(table)
        return scored["low"], scored["high"]

    def predict_set(self, table: Any) -> NDArray[Any]:
        """Which classes are plausible at 90 %: (rows, classes) bool, in the order of `classes`.

        Each class is in the set of nine in ten of its rows. A row for which no class is plausible has an empty set.
        Raises AttributeError for a regression, and for models that were made before there were sets.
        """
        scored = self._score(table)
        if "in_set" not in scored:
            raise AttributeError("the model has no class sets; a regression has an interval: see predict_interval")
        return scored["in_set"]

    def explain(self, table: Any) -> Explanation:
        """Contributions of the columns to each row's score; with the base they add up to it."""
        from flyball.explain import explain

        personal = tuple(self.evidence["data"]["personal"])
        hidden = self.evidence["target"] in personal
        return explain(self._pipeline, self._rows(table), hide=personal, hide_classes=hidden)

    def _score(self, table: Any) -> dict[str, NDArray[Any]]:
        return self._bundle.score(self._rows(table))

    def _rows(self, table: Any) -> Any:
        """A table in memory as it is; a file read with the model's own types. What is made from other tables is added."""
        from flyball.pipeline.related import TABLES

        bundle = self._bundle
        if TABLES in bundle.manifest["requires"]:
            from flyball.data import read_source
            from flyball.project.batch import known_schema, with_features

            read = read_source(table, schema=known_schema(self.evidence, bundle.inputs))
            return with_features(self._project, self.evidence, bundle.inputs, read.table).columns
        if not isinstance(table, str | os.PathLike):
            return table
        from flyball.data import read_source

        return read_source(table, schema=bundle.inputs).table.columns


class LearnedModel(_Scores):
    """A model that was made and proved, not yet registered: see `project.propose`."""

    def __init__(self, project: Project, candidate: Candidate) -> None:
        self._project = project
        self.candidate = candidate

    @cached_property
    def _bundle(self) -> Bundle:
        from flyball.pipeline.related import TABLES
        from flyball_runtime.bundle import open_files

        return open_files(self.candidate.files(None), provides=(TABLES,))

    @property
    def _pipeline(self) -> FittedPipeline:
        return self.candidate.pipeline

    @property
    def evidence(self) -> Mapping[str, Any]:
        """The evidence document: split, metrics with intervals, leaks, reasons, parity and the rest."""
        return self.candidate.evidence

    @cached_property
    def report(self) -> Report:
        """The report: print it for a summary; a notebook shows it; `.save(path)` writes the HTML page."""
        from flyball.reports import Report

        return Report(self.evidence)

    def __repr__(self) -> str:
        metric = self.evidence["metric"]
        measured = self.evidence["metrics"]["test"].get(metric, {}).get("value")
        shown = "undefined" if measured is None else f"{measured:.4g}"
        return f"<LearnedModel {self.evidence['model']}: {self.evidence['task']}, {metric} {shown} on test rows>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


class Version(_Scores):
    """A registered version of a model, with its bundle verified against the project's own keys."""

    def __init__(self, project: Project, record: ModelVersion) -> None:
        self._project = project
        self.record = record
        self.number = record.number
        self.model = record.model
        self.ref = record.ref

    @cached_property
    def _bundle(self) -> Bundle:
        return self._project.bundle(self.record)

    @cached_property
    def _pipeline(self) -> FittedPipeline:
        return self._project.pipeline_of(self.record)

    @cached_property
    def evidence(self) -> Mapping[str, Any]:
        """The evidence document that the version was registered with."""
        return self._project.registry.evidence(self.record)

    @cached_property
    def report(self) -> Report:
        """The version's report: print it, let a notebook show it, or `.save(path)` the HTML page."""
        return self._project.report(self.record)

    @property
    def path(self) -> str:
        """The bundle's folder."""
        return str(self.record.bundle_path)

    def compare(self, other: Version | str, *, data: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """This version against another on the rows it was tested on, or on those of a file with the target.

        `metrics` holds each metric's paired difference with interval and p-value, `text` the verdict in words.
        """
        ref = other if isinstance(other, str) else other.ref
        return self._project.compare(self.ref, ref, data=None if data is None else Path(data))

    def slices(self, by: str | None = None) -> dict[str, Any]:
        """Where it is weak (`slices`); with `by`, its quality at every level of that column (`by`)."""
        return self._project.slices(self.ref, by=by)

    def features(self) -> dict[str, Any]:
        """What it computes from: columns, window features, and under `related` the features made from other tables."""
        return self._project.features(self.ref)

    def promote(self, alias: str, *, reason: str = "") -> Promotion:
        """Let `alias` point to this version, if its gate's rules are met. Raises GateRefused."""
        return self._project.promote(self.ref, alias, reason=reason)

    def __repr__(self) -> str:
        return f"<Version {self.ref}: {self.record.task}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()
