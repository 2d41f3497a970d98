"""What belongs to many runs, read with one statement per table instead of one per run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from flyball.store import Reader
from flyball.tracking.records import DatasetInput, Metric, ModelLink, Run
from flyball.tracking.statements import ByNumber, chunks

__all__ = ["Belongings", "read_belongings", "read_runs"]

_NAN = float("nan")
_POINTS = ByNumber("SELECT run, key, value, nan, timestamp, step FROM tracking_latest WHERE run")
_PARAMS = ByNumber("SELECT run, key, value FROM tracking_params WHERE run")
_TAGS = ByNumber("SELECT run, key, value FROM tracking_tags WHERE run")
_LINKS = ByNumber("SELECT run, kind, model, step FROM tracking_links WHERE run")
_DATASETS = ByNumber(
    "SELECT i.run, i.tags, d.name, d.digest, d.source_type, d.source, d.schema, d.profile "
    "FROM tracking_inputs i JOIN tracking_datasets d ON d.number = i.dataset WHERE i.run"
)


class Belongings(NamedTuple):
    """What belongs to some runs, as rows: `points` (run, key, value, nan, timestamp, step), `params` and `tags` (run, key,
    value), `links` (run, kind, model, step), `inputs` (run, data)."""

    points: list[Any]
    params: list[Any]
    tags: list[Any]
    links: list[Any]
    inputs: list[tuple[int, DatasetInput]]


def read_belongings(reader: Reader, numbers: Iterable[int], *, files: bool = True) -> Belongings:
    """What belongs to the runs of these numbers; without `files`, links and inputs stay empty."""
    found = Belongings([], [], [], [], [])
    for some in chunks(numbers):
        found.points.extend(_POINTS.rows(reader, some))
        found.params.extend(_PARAMS.rows(reader, some))
        found.tags.extend(_TAGS.rows(reader, some))
        if files:
            found.links.extend(_LINKS.rows(reader, some))
            found.inputs.extend(_datasets(reader, some))
    return found


def read_runs(reader: Reader, rows: Sequence[Row[Any]]) -> list[Run]:
    """The runs of rows of the table, in their order."""
    measured: dict[int, list[Metric]] = defaultdict(list)
    given: dict[int, dict[str, str]] = defaultdict(dict)
    tagged: dict[int, dict[str, str]] = defaultdict(dict)
    linked: dict[int, list[ModelLink]] = defaultdict(list)
    read: dict[int, list[DatasetInput]] = defaultdict(list)
    whole = read_belongings(reader, (row.number for row in rows))
    for run, key, value, nan, timestamp, step in whole.points:
        measured[run].append(Metric(key, _NAN if nan else value, timestamp, step))
    for pairs, into in ((whole.params, given), (whole.tags, tagged)):
        for run, key, value in pairs:
            into[run][key] = value
    for run, kind, model, step in whole.links:
        linked[run].append(ModelLink(kind, model, step))
    for run, dataset in whole.inputs:
        read[run].append(dataset)
    return [
        Run.from_row(
            row,
            metrics=tuple(measured[row.number]),
            params=given[row.number],
            tags=tagged[row.number],
            inputs=tuple(read[row.number]),
            links=tuple(linked[row.number]),
        )
        for row in rows
    ]


def _datasets(reader: Reader, some: list[int]) -> list[tuple[int, DatasetInput]]:
    return [
        (run, DatasetInput(name, digest, kind, source, schema, profile, json.loads(said)))
        for run, said, name, digest, kind, source, schema, profile in _DATASETS.rows(reader, some)
    ]
