"""The frame: every raw column's encoder, and the float32 matrix they make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.features.absent import blanked
from flyball.features.dates import CATEGORY_SIZES, DateEncoder, emit_dates, fit_date
from flyball.features.numbers import NumberEncoder, emit_numbers, fit_number
from flyball.features.texts import TextEncoder, emit_texts, fit_text
from flyball.features.words import WordsEncoder, emit_words, fit_words, reads_as_prose, words_encoder
from flyball_runtime.schema import Field, Schema, missing_mask

if TYPE_CHECKING:
    from flyball.data import Table
    from flyball.graph import GraphBuilder

__all__ = ["DroppedColumn", "Encoder", "Frame", "FrameGraph", "fit_frame"]

_TRIED = 2_000  # texts that show whether a column of prose has words in common; they are chosen anew from more
Encoder = NumberEncoder | DateEncoder | WordsEncoder | TextEncoder


@dataclass(frozen=True, slots=True)
class DroppedColumn:
    """A raw column that no model can learn from, and why."""

    column: str
    why: str


@dataclass(frozen=True, slots=True)
class FrameGraph:
    """The frame inside a graph: `matrix` float32 [N, features]; `codes` int64 [N, 1] by position of a text feature."""

    matrix: str
    codes: Mapping[int, str]


@dataclass(frozen=True)
class Frame:
    """Encoders in matrix order: numbers, times, prose, then texts of levels; `schema` holds the raw columns they read."""

    schema: Schema
    encoders: tuple[Encoder, ...]
    dropped: tuple[DroppedColumn, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name per feature, such as "age" or "opened: weekday"."""
        return tuple(name for encoder in self.encoders for name in encoder.names)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The raw column behind each feature."""
        return tuple(encoder.column for encoder in self.encoders for _ in encoder.names)

    @cached_property
    def texts(self) -> dict[int, TextEncoder]:
        """The text encoders by the position of their feature; they come last."""
        found = [encoder for encoder in self.encoders if isinstance(encoder, TextEncoder)]
        return dict(enumerate(found, start=len(self.names) - len(found)))

    @cached_property
    def prose(self) -> dict[int, WordsEncoder]:
        """The encoders of prose by the position of their first feature."""
        found: dict[int, WordsEncoder] = {}
        position = 0
        for encoder in self.encoders:
            if isinstance(encoder, WordsEncoder):
                found[position] = encoder
            position += len(encoder.names)
        return found

    @cached_property
    def categories(self) -> dict[int, tuple[int, int]]:
        """Features that name categories, by position: their first value and how many values there are."""
        found = {position: (-1, encoder.slots) for position, encoder in self.texts.items()}
        position = 0
        for encoder in self.encoders:
            if isinstance(encoder, DateEncoder):
                for step, part in enumerate(encoder.parts):
                    if part in CATEGORY_SIZES:
                        found[position + step] = CATEGORY_SIZES[part]
            position += len(encoder.names)
        return found

    def apply(
        self, columns: Mapping[str, NDArray[Any]], made: Mapping[str, NDArray[np.float32]] | None = None
    ) -> NDArray[np.float32]:
        """The matrix of normalised raw columns: (rows, features) float32, rows contiguous.

        made: features of some columns that are known already, (rows, features of the column).
        """
        rows = len(columns[self.schema.names[0]])
        matrix = np.empty((rows, len(self.names)), dtype=np.float32)
        position = 0
        for encoder in self.encoders:
            width = len(encoder.names)
            known = None if made is None else made.get(encoder.column)
            features = encoder.apply(columns[encoder.column]) if known is None else known
            matrix[:, position : position + width] = features
            position += width
        return matrix

    def emit(self, builder: GraphBuilder) -> FrameGraph:
        """Declare the graph's inputs and write the same matrix into it."""
        blocks: list[str] = []
        numbers = [encoder for encoder in self.encoders if isinstance(encoder, NumberEncoder)]
        dates = [encoder for encoder in self.encoders if isinstance(encoder, DateEncoder)]
        texts = [encoder for encoder in self.encoders if isinstance(encoder, TextEncoder)]
        if numbers:
            blocks.append(emit_numbers(builder, builder.input("numbers", np.dtype(np.float64), len(numbers)), numbers))
        if dates:
            blocks.append(emit_dates(builder, builder.input("times", np.dtype(np.int64), len(dates)), dates))
        prose = [encoder for encoder in self.encoders if isinstance(encoder, WordsEncoder)]
        codes: list[str] = []
        if texts or prose:
            given = builder.input("texts", str, len(texts) + len(prose))
            places = {name: place for place, name in enumerate(self.schema.of_kind("text"))}
            lone = len(places) == 1
            blocks += [emit_words(builder, given, None if lone else places[each.column], each) for each in prose]
            codes = emit_texts(builder, given, texts, None if lone else [places[each.column] for each in texts])
            blocks += [builder.cast(code, np.float32) for code in codes]
        matrix = builder.node("Concat", *blocks, axis=1) if len(blocks) > 1 else blocks[0]
        return FrameGraph(matrix, dict(zip(self.texts, codes, strict=True)))

    def spelled(self) -> Frame:
        """The same frame, whose schema says how the texts of each column of prose are spelled for the graph."""
        how = {encoder.column: encoder.field.logical for encoder in self.prose.values()}
        fields = tuple(replace(field, logical=how[field.name]) if field.name in how else field for field in self.schema)
        return replace(self, schema=Schema(fields))

    def with_prose(self, fitted: Mapping[str, WordsEncoder]) -> Frame:
        """The same frame with other encoders of these columns of prose."""
        encoders = (fitted.get(encoder.column, encoder) for encoder in self.encoders)
        return replace(self, encoders=tuple(encoders)).spelled()

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_list(),
            "encoders": [encoder.to_dict() for encoder in self.encoders],
            "dropped": [{"column": item.column, "why": item.why} for item in self.dropped],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Frame:
        encoders = tuple(_encoder(item) for item in raw["encoders"])
        dropped = tuple(DroppedColumn(item["column"], item["why"]) for item in raw["dropped"])
        return cls(Schema.from_list(raw["schema"]), encoders, dropped)


def fit_frame(table: Table, missing: Mapping[str, Sequence[Any]] | None = None, *, prose: bool = True) -> Frame:
    """Choose an encoder for each column of a table that must not hold the target.

    `missing`: values that mean missing, by column, in the column's normalised form; every encoder takes them so, in the
    graph too. prose: whether columns of free text are read by their words, or only as levels.

    Columns that are constant, empty or different in every row are left out with the reason; when nothing else is
    there, the first column stays, because a graph needs an input to know how many rows it is asked about.
    """
    found: dict[str, list[tuple[Field, Encoder]]] = {"number": [], "time": [], "prose": [], "text": []}
    dropped: list[DroppedColumn] = []
    for field in table.schema:
        absent = tuple((missing or {}).get(field.name, ()))
        values = blanked(table.columns[field.name], field.kind, absent)
        encoder = _fit(field, values, absent, prose=prose)
        why = _useless(values, field, encoder)
        if why is None:
            found["prose" if isinstance(encoder, WordsEncoder) else field.kind].append((field, encoder))
        else:
            dropped.append(DroppedColumn(field.name, why))
    kept = [*found["number"], *found["time"], *found["prose"], *found["text"]]
    if not kept and len(table.schema):
        field = next(iter(table.schema))
        kept = [(field, _fit(field, table.columns[field.name], (), prose=prose))]
        dropped = [item for item in dropped if item.column != field.name]
    used = {field.name for field, _ in kept}
    schema = Schema(tuple(field for field in table.schema if field.name in used))
    return Frame(schema, tuple(encoder for _, encoder in kept), tuple(dropped)).spelled()


def _fit(field: Field, values: NDArray[Any], absent: tuple[Any, ...], *, prose: bool) -> Encoder:
    if field.kind == "number":
        return fit_number(field.name, values, tuple(float(value) for value in absent))
    if field.kind == "time":
        return fit_date(field.name, values, tuple(int(value) for value in absent))
    missing = tuple(str(value) for value in absent)
    if prose and reads_as_prose(values):
        words = fit_words(field.name, values, missing, counted=_TRIED)
        if words.terms:
            return words
    return fit_text(field.name, values, missing)


def _useless(values: NDArray[Any], field: Field, encoder: Encoder) -> str | None:
    missing = missing_mask(values, field.kind)
    if missing.all():
        return "every value is missing"
    known = values[~missing]
    if not missing.any() and bool(np.all(known == known[0])):
        return "every row holds the same value"
    if isinstance(encoder, TextEncoder) and not encoder.levels and not missing.any():
        return "every row holds a different text"
    return None


def _encoder(raw: Mapping[str, Any]) -> Encoder:
    absent = tuple(raw.get("missing", ()))
    if raw["kind"] == "number":
        return NumberEncoder(raw["column"], raw["offset"], raw["scale"], absent)
    if raw["kind"] == "time":
        return DateEncoder(raw["column"], tuple(raw["parts"]), raw["origin"], absent)
    if raw["kind"] == "words":
        return words_encoder(raw)
    return TextEncoder(raw["column"], tuple(raw["levels"]), absent)
