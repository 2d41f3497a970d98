"""What belongs to many runs, read with one statement per table instead of one per run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from flyball.store import Reader
from flyball.tracking.records import DatasetInput, Metric, ModelLink, Run
from flyball.tracking.statements import chunks
from flyball.tracking.tables import datasets, inputs, latest, links, params, tags

__all__ = ["read_runs"]

_NAN = float("nan")


def read_runs(reader: Reader, rows: Sequence[Row[Any]]) -> list[Run]:
    """The runs of rows of the table, in their order."""
    measured: dict[int, list[Metric]] = defaultdict(list)
    given: dict[int, dict[str, str]] = defaultdict(dict)
    tagged: dict[int, dict[str, str]] = defaultdict(dict)
    linked: dict[int, list[ModelLink]] = defaultdict(list)
    read: dict[int, list[DatasetInput]] = defaultdict(list)
    columns = latest.c
    points = select(columns.run, columns.key, columns.value, columns.nan, columns.timestamp, columns.step)
    for numbers in chunks(row.number for row in rows):
        point: Any
        for point in reader.execute(points.where(columns.run.in_(numbers))):
            run, key, value, nan, timestamp, step = point
            measured[run].append(Metric(key, _NAN if nan else value, timestamp, step))
        for table, into in ((params, given), (tags, tagged)):
            for run, key, value in reader.execute(select(table).where(table.c.run.in_(numbers))):
                into[run][key] = value
        for run, kind, model, step in reader.execute(select(links).where(links.c.run.in_(numbers))):
            linked[run].append(ModelLink(kind, model, step))
        for run, dataset in _datasets(reader, numbers):
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


def _datasets(reader: Reader, numbers: list[int]) -> list[tuple[int, DatasetInput]]:
    query = select(inputs.c.run, inputs.c.tags, *datasets.c).join(datasets, datasets.c.number == inputs.c.dataset)
    return [
        (
            row.run,
            DatasetInput(
                row.name, row.digest, row.source_type, row.source, row.schema, row.profile, json.loads(row.tags)
            ),
        )
        for row in reader.execute(query.where(inputs.c.run.in_(numbers)))
    ]
