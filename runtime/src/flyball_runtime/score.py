"""Rows in, predictions out: the one way in which training, serving and devices run a model's graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.cells import WrongType, number_converter, text_of, time_of
from flyball_runtime.errors import BadInput, InternalError
from flyball_runtime.schema import Schema
from flyball_runtime.table import normalise, read_columns
from flyball_runtime.words import MISSING_TEXT, is_prose, spelled

__all__ = ["MISSING_TEXT", "GraphMismatch", "NotEncodable", "Scorer", "ScoringFailed", "class_label", "class_values"]

_CHUNK = 65_536  # rows a run: bounds the memory of a batch without slowing it
_CHUNK_OF_PROSE = 2_048  # each text may be some hundred tokens wide, and as many terms
_INPUTS = {
    "number": ("numbers", "tensor(double)"),
    "time": ("times", "tensor(int64)"),
    "text": ("texts", "tensor(string)"),
}
_CLASS_OUTPUTS = {"class_index": "tensor(int64)", "probability": "tensor(double)", "margin": "tensor(double)"}
_SET_OUTPUT = {"in_set": "tensor(bool)"}  # absent from models made before there were class sets
_VALUE_OUTPUTS = dict.fromkeys(("prediction", "low", "high", "margin"), "tensor(double)")
_NUMBER_TYPES = frozenset({float, int, bool, np.float64, np.int64, np.bool_, np.float32, np.int32})
_CLASS_DTYPES: dict[str, Any] = {"text": object, "integer": np.int64, "boolean": np.bool_, "number": np.float64}


class GraphMismatch(InternalError):
    """A bundle's graph does not take the manifest's columns or does not give the outputs of its task."""

    code = "FB-SCORE-001"


class ScoringFailed(InternalError):
    """ONNX Runtime could not load or run a model's graph."""

    code = "FB-SCORE-002"


class NotEncodable(BadInput):
    """Text in the table cannot be written as UTF-8 (it holds half of a surrogate pair)."""

    code = "FB-SCORE-003"


class Scorer:
    """Runs a graph over tables. Threads may share one: it keeps nothing between calls."""

    def __init__(
        self, graph: bytes, schema: Schema, task: str, classes: NDArray[Any] | None, *, threads: int = 1
    ) -> None:
        """schema: the graph's raw columns in order; classes: (K,) in the target's own type, None for a regression.

        threads: of ONNX Runtime within one call; 0 takes one per core. Raises GraphMismatch or ScoringFailed.
        """
        self.schema = schema
        self.task = task
        self.classes = classes
        self._numbers = schema.of_kind("number")
        self._times = schema.of_kind("time")
        self._time_fields = [schema[name] for name in self._times]
        self._texts = schema.of_kind("text")
        self._prose = {name: schema[name] for name in self._texts if is_prose(schema[name])}
        self._chunk = _CHUNK_OF_PROSE if self._prose else _CHUNK
        self._to_number = [number_converter(schema[name]) for name in self._numbers]
        self._session = _open_session(graph, threads)
        self._outputs = _VALUE_OUTPUTS if classes is None else _CLASS_OUTPUTS
        if classes is not None and any(item.name == "in_set" for item in self._session.get_outputs()):
            self._outputs = {**_CLASS_OUTPUTS, **_SET_OUTPUT}
        self._names = [name for name in self._outputs if name != "margin"]
        self._check_contract()

    @property
    def has_sets(self) -> bool:
        """Whether the graph says which classes are in a row's set: `in_set`."""
        return "in_set" in self._outputs

    def score(self, table: Any, *, margin: bool = False) -> dict[str, NDArray[Any]]:
        """Predictions for any table that `read_columns` takes; one entry a row, in the table's order.

        prediction (rows,): class values in the target's own type, or float64. Classification: probability (rows, K) and,
        where the model has class sets, in_set (rows, K) bool. Regression: low, high (rows,). With `margin` also margin
        (rows, K or 1): log-odds, logits or the value.
        Raises MissingColumn, WrongType, RaggedTable, UnreadableTable.
        """
        names = [*self._names, "margin"] if margin else self._names
        feed = self._feed_of_one_row(table) if type(table) is dict else None
        if feed is not None:
            return self._answer(dict(zip(names, self._run(names, feed), strict=True)))
        columns = normalise(read_columns(table), self.schema)
        rows = len(next(iter(columns.values())))
        starts = range(0, rows, self._chunk)
        parts = [self._run(names, self._feed(columns, slice(start, start + self._chunk))) for start in starts]
        if not parts:
            return self._answer({name: self._nothing(name) for name in names})
        joined = parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
        return self._answer(dict(zip(names, joined, strict=True)))

    def run_graph(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The bare graph on arrays already in its input form; what `score` is measured against."""
        return self._run(self._names, dict(feed))

    def feed(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Normalised columns in the graph's input form."""
        return self._feed(columns, slice(None))

    def _feed(self, columns: Mapping[str, NDArray[Any]], part: slice) -> dict[str, NDArray[Any]]:
        feed: dict[str, NDArray[Any]] = {}
        if self._numbers:
            feed["numbers"] = _side_by_side([columns[name][part] for name in self._numbers], np.float64)
        if self._times:
            feed["times"] = _side_by_side([columns[name][part] for name in self._times], np.int64)
        if self._texts:
            texts = _side_by_side([columns[name][part] for name in self._texts], object)
            texts[texts == None] = MISSING_TEXT  # noqa: E711 - element by element, at C speed
            for place, name in enumerate(self._texts if self._prose else ()):
                if name in self._prose:
                    texts[:, place] = [spelled(cell, self._prose[name]) for cell in columns[name][part].tolist()]
            feed["texts"] = texts
        return feed

    def _feed_of_one_row(self, table: dict[str, Any]) -> dict[str, NDArray[Any]] | None:
        """The graph's inputs for a table of one row; None when the general way must be taken, or must say what is wrong.

        It does cell by cell what `normalise` does column by column, at a third of its cost for a single row.
        """
        feed: dict[str, NDArray[Any]] = {}
        try:
            if self._numbers:
                cells = [_only_cell(table[name]) for name in self._numbers]
                if not _NUMBER_TYPES.issuperset(map(type, cells)):
                    cells = [convert(cell) for convert, cell in zip(self._to_number, cells, strict=True)]
                feed["numbers"] = np.array([cells], dtype=np.float64)
            if self._times:
                cells = [time_of(_only_cell(table[field.name]), field) for field in self._time_fields]
                feed["times"] = np.array([cells], dtype=np.int64)
            if self._texts:
                cells = [self._text(name, text_of(_only_cell(table[name]))) for name in self._texts]
                feed["texts"] = np.array([cells], dtype=object)
        except (KeyError, TypeError, ValueError, ArithmeticError, WrongType):
            return None
        return feed

    def _text(self, name: str, cell: str | None) -> str:
        if name in self._prose:
            return spelled(cell, self._prose[name])
        return MISSING_TEXT if cell is None else cell

    def _run(self, names: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            outputs: list[NDArray[Any]] = self._session.run(names, feed)
        except UnicodeEncodeError as error:
            raise NotEncodable(
                "text in the table cannot be written as UTF-8", why=str(error), fix="repair or leave out that text"
            ) from error
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise ScoringFailed("ONNX Runtime could not run the model", why=str(error)) from error
        return outputs

    def _answer(self, raw: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if self.classes is None:
            return raw
        return {"prediction": self.classes[raw.pop("class_index")], **raw}

    def _nothing(self, name: str) -> NDArray[Any]:
        if name in ("probability", "margin"):
            return np.empty((0, 1 if self.classes is None else len(self.classes)))
        if name == "in_set":
            return np.empty((0, 0 if self.classes is None else len(self.classes)), dtype=np.bool_)
        return np.empty(0, dtype=np.int64 if name == "class_index" else np.float64)

    def _check_contract(self) -> None:
        if not len(self.schema):
            raise GraphMismatch("the model takes no column at all, so rows cannot be counted")
        counts = Counter(field.kind for field in self.schema)
        wanted = {_INPUTS[kind][0]: (_INPUTS[kind][1], count) for kind, count in counts.items()}
        given = {
            item.name: (item.type, item.shape[-1] if len(item.shape) == 2 else None)
            for item in self._session.get_inputs()
        }
        if wanted != given:
            raise GraphMismatch("the graph's inputs are not the manifest's columns", why=f"{given}, not {wanted}")
        outputs = {item.name: item.type for item in self._session.get_outputs()}
        if any(outputs.get(name) != kind for name, kind in self._outputs.items()):
            raise GraphMismatch("the graph's outputs do not fit its task", why=f"{outputs}, not {self._outputs}")


def class_label(value: Any) -> str:
    """A class as text, the same everywhere: the key of its probability, and what an outcome may name it by.

    >>> class_label(True), class_label(3), class_label(3.0), class_label("yes")
    ('true', '3', '3', 'yes')
    """
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def class_values(classes: list[Any], class_type: str) -> NDArray[Any]:
    """A manifest's classes in the target's own type: (K,) of str objects, int64, bool or float64."""
    values = np.empty(len(classes), dtype=_CLASS_DTYPES[class_type])
    values[:] = classes
    return values


def _open_session(graph: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # an error comes back as an exception; it need not also be printed
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise ScoringFailed("ONNX Runtime could not load the model", why=str(error)) from error


def _only_cell(column: Any) -> Any:
    if type(column) not in (list, np.ndarray) or len(column) != 1:
        raise ValueError
    return column[0]


def _side_by_side(columns: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    matrix = np.empty((len(columns[0]), len(columns)), dtype=dtype)
    for position, values in enumerate(columns):
        matrix[:, position] = values
    return matrix
