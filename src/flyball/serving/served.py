"""A bundle under the name it answers to: the one path from columns to outputs and log records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.clock import Clock
from flyball.predictions.records import Prediction, records_of
from flyball_runtime.errors import Refused
from flyball_runtime.schema import Schema
from flyball_runtime.score import class_label

if TYPE_CHECKING:
    from flyball.predictions.log import Beside
    from flyball.sessions import Stream
    from flyball_runtime.bundle import Bundle
    from flyball_runtime.windows import Standing

__all__ = ["Answer", "NeedsPast", "Served", "class_label"]


class NeedsPast(Refused):
    """A model with window features answers a row from the rows before it, and nothing was given that keeps these."""

    code = "FB-SERVE-021"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of some rows: `outputs` name -> (rows,) or (rows, classes), and one log record per row.

    For a model that looks back also what the rows stand on, and what is to be written `beside` the records.
    """

    outputs: Mapping[str, NDArray[Any]]
    records: list[Prediction]
    standing: Standing | None = None
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle on a server. `personal` names the raw columns that the log must not hold. Threads may share it.

    `stream` keeps the past for a bundle with window features; without it such a bundle raises NeedsPast.
    """

    bundle: Bundle
    model: str
    version: int | None
    alias: str | None = None
    personal: frozenset[str] = frozenset()
    stream: Stream | None = None

    def __post_init__(self) -> None:
        if self.bundle.windowed is None or self.stream is not None:
            return
        ref = f"{self.model}@{self.version}" if self.version else self.model
        raise NeedsPast(
            f"{ref} looks at earlier rows, and nothing keeps them",
            why=f"it computes {len(self.bundle.windowed.spec.features)} window features from the past of each row",
            fix="give it a stream: Served(..., stream=flyball.sessions.Stream.open(...)), as flyball serve does",
        )

    @property
    def schema(self) -> Schema:
        """The raw columns that the model takes."""
        return self.bundle.inputs

    @property
    def version_name(self) -> str:
        """The version as the Open Inference Protocol writes it: text; "0" for an export without a number."""
        return str(self.version or 0)

    @property
    def labels(self) -> list[str] | None:
        """The classes as text, in the order of the probabilities; None for a regression."""
        classes = self.bundle.classes
        return None if classes is None else [class_label(value) for value in classes.tolist()]

    def answer(
        self, columns: Mapping[str, Any], clock: Clock, *, request: str | None = None, remember: bool = True
    ) -> Answer:
        """Score raw columns (name -> (rows,)). Raises the runtime's coded errors for columns it cannot use.

        Of a model that looks back only inside a `turn`, and once; raises the stream's errors too. Without `remember` its
        rows are answered and do not become part of any past.
        """
        from flyball_runtime.table import normalise

        normal = normalise(columns, self.schema)
        taken = None if self.stream is None else self.stream.push(normal, remember=remember)
        if self.stream is None or taken is None:
            outputs = self.bundle.score(normal)
        else:
            outputs = self.bundle.scorer.score(self.stream.joined(normal, taken))
        shown = {name: values for name, values in outputs.items() if name in self.output_types()}
        records = records_of(
            normal,
            self._logged(shown),
            schema=self.schema,
            model=self.model,
            version=self.version,
            alias=self.alias,
            content_hash=self.bundle.manifest["content_hash"],
            clock=clock,
            personal=self.personal,
            request=request,
        )
        return Answer(shown, records) if taken is None else Answer(shown, records, taken.standing, (taken.beside,))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The time in which rows are answered and their records handed to the log, last of all.

        Rows of a model that looks back take turns, so that they are written in the order in which they were answered; what
        is raised inside takes them out of the past again.
        """
        if self.stream is None:
            yield
            return
        with self.stream.turn():
            yield

    @property
    def hides_target(self) -> bool:
        """Whether the target is personal, so that the log holds numbers of classes and no value of it."""
        return self.bundle.manifest.get("target") in self.personal

    def logged_class(self, label: str) -> str:
        """A class as the log calls it when the target is personal: by its place. Raises ValueError for an unknown one.

        The first class is "class 1", as in the evidence.
        """
        return f"class {(self.labels or []).index(label) + 1}"

    def _logged(self, outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs as the log may hold them."""
        if self.labels is None or not self.hides_target:
            return dict(outputs)
        names = [self.logged_class(class_label(value)) for value in outputs["prediction"].tolist()]
        return {**outputs, "prediction": np.array(names, dtype=object)}

    def output_types(self) -> dict[str, tuple[str, list[int]]]:
        """Each output's V2 datatype and shape, -1 for the rows."""
        classes = self.bundle.classes
        if classes is None:
            return {name: ("FP64", [-1]) for name in ("prediction", "low", "high")}
        types = {"prediction": (tensor_type(classes), [-1]), "probability": ("FP64", [-1, len(classes)])}
        if self.bundle.scorer.has_sets:
            types["in_set"] = ("BOOL", [-1, len(classes)])
        return types


def tensor_type(values: NDArray[Any]) -> str:
    """The V2 datatype for an output array."""
    if values.dtype.kind == "b":
        return "BOOL"
    if np.issubdtype(values.dtype, np.integer):
        return "INT64"
    return "FP64" if values.dtype.kind == "f" else "BYTES"
