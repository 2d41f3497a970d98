"""What `explain` answers: the shares of the columns in each row's score, ready to read, draw or store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.counting import counted
from flyball.explain.cells import json_cell, shown_cell
from flyball_runtime.schema import Schema
from flyball_runtime.score import class_label

if TYPE_CHECKING:
    from flyball.explain.summary import ColumnImportance
    from flyball.features import WordsEncoder

__all__ = ["Explanation", "Reason"]

_MOST_WORDS = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """One column's share in a row's score: its raw value (None: missing or hidden), that value as text, and the share.

    words: of a column of prose, the terms that speak most for the output (positive) or against it.
    """

    column: str
    value: Any
    shown: str
    contribution: float
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Shares of the raw columns in each row's calibrated margin: margin = base + values.sum(axis=1).

    Margins are log-odds of the positive class (binary), one logit per class (multiclass), or the target's own units
    (regression). base (outputs,); values (rows, columns, outputs); margin (rows, outputs); prediction (rows,);
    probability (rows, classes) and classes, for classifiers; data: the raw columns, normalised; hidden: columns whose
    values must not be shown; prose: how columns of prose are read.
    """

    task: str
    columns: tuple[str, ...]
    base: NDArray[np.float64]
    values: NDArray[np.float64]
    margin: NDArray[np.float64]
    prediction: NDArray[Any]
    probability: NDArray[np.float64] | None
    classes: NDArray[Any] | None
    data: Mapping[str, NDArray[Any]]
    schema: Schema
    hidden: frozenset[str] = frozenset()
    prose: Mapping[str, WordsEncoder] = dataclass_field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.margin)

    @property
    def unit(self) -> str:
        """What shares and margins are counted in; empty for a regression: the target's own unit."""
        return {"binary": "log-odds", "multiclass": "logit"}.get(self.task, "")

    @property
    def output(self) -> NDArray[np.intp]:
        """Which output each row's reasons are about: the predicted class's logit, else the only one. (rows,)"""
        if len(self.base) == 1:
            return np.zeros(len(self), np.intp)
        return np.asarray(self.margin.argmax(axis=1))

    @property
    def decisive(self) -> NDArray[np.float64]:
        """The shares in the output that each row's reasons are about: (rows, columns)."""
        return np.asarray(self.values[np.arange(len(self)), :, self.output])

    def row(self, index: int, output: int | None = None) -> list[Reason]:
        """A row's reasons, largest share first; output: another class's logit than the predicted one's.

        Raises IndexError when there is no such row or output.
        """
        at = self._row(index)
        shares = self.values[at, :, self._output(at, output)]
        order = np.argsort(-np.abs(shares), kind="stable")
        which = self._output(at, output)
        return [self._reason(at, int(place), float(shares[place]), which) for place in order]

    def row_dict(self, index: int, output: int | None = None) -> dict[str, Any]:
        """One row as JSON values; `base` plus all contributions is `margin`. Hidden values are null."""
        at = self._row(index)
        which = self._output(at, output)
        reasons = self.row(at, output)
        chances = None
        if self.probability is not None and self.classes is not None:
            labels = [class_label(label) for label in self.classes.tolist()]
            chances = dict(zip(labels, self.probability[at].tolist(), strict=True))
        return {
            "prediction": self.prediction[at : at + 1].tolist()[0],
            "probability": chances,
            "about": self.about(which),
            "unit": self.unit,
            "base": float(self.base[which]),
            "margin": float(self.margin[at, which]),
            "reasons": [
                {"column": one.column, "value": one.value, "contribution": one.contribution, **_words(one)}
                for one in reasons
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """All rows as JSON values."""
        return {
            "task": self.task,
            "columns": list(self.columns),
            "unit": self.unit,
            "rows": [self.row_dict(row) for row in range(len(self))],
        }

    def about(self, output: int) -> Any:
        """The class whose score an output is; None for a regression."""
        if self.classes is None:
            return None
        return self.classes.tolist()[1 if self.task == "binary" else output]

    def importance(self, *, seed: int = 0, level: float = 0.90) -> list[ColumnImportance]:
        """Mean absolute share of every column over these rows, with its interval, largest first."""
        from flyball.explain.summary import importance_of

        return importance_of(self, seed=seed, level=level)

    def effects(self, column: str, *, bins: int = 8) -> list[dict[str, Any]]:
        """Mean share of one column by its value over these rows: label, value, rows. Raises UnknownColumn, HiddenColumn."""
        from flyball.explain.summary import effects_of

        return effects_of(self, column, bins=bins)

    def to_text(self, index: int, *, most: int = 10, width: int = 20) -> str:
        """A row's reasons for a terminal; shares beyond the `most` largest are one line. `width`: of the longest bar."""
        from flyball.explain.rendering import to_text

        return to_text(self, self._row(index), most=most, width=width)

    def _repr_html_(self) -> str:
        from flyball.explain.rendering import to_html

        return to_html(self)

    def __repr__(self) -> str:
        return f"<Explanation: {counted(len(self), 'row')}, {counted(len(self.columns), 'column')}>"

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no row {index} among {len(self)}")
        return index % len(self)

    def _output(self, row: int, output: int | None) -> int:
        if output is None:
            return int(self.output[row])
        if not 0 <= output < len(self.base):
            raise IndexError(f"there is no output {output} among {len(self.base)}")
        return output

    def _reason(self, row: int, place: int, share: float, output: int) -> Reason:
        name = self.columns[place]
        if name in self.hidden:
            return Reason(name, None, "hidden", share)
        field, cell = self.schema[name], self.data[name][row]
        reader = self.prose.get(name)
        words: tuple[tuple[str, float], ...] = ()
        if reader is not None and reader.outputs == len(self.base):
            words = tuple(reader.shares(cell, output)[:_MOST_WORDS])
        return Reason(name, json_cell(cell, field), shown_cell(cell, field), share, words)


def _words(reason: Reason) -> dict[str, Any]:
    """The words of a reason as JSON, where it has any."""
    told = [{"term": term, "weight": weight} for term, weight in reason.words]
    return {"words": told} if told else {}
