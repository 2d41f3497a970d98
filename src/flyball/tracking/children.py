"""What belongs to many runs, read with one statement per table instead of one per run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, select

from flyball.store import Reader
from flyball.tracking.records import DatasetInput, Metric, ModelLink, Run
from flyball.tracking.statements import chunks
from flyball.tracking.tables import datasets, inputs, latest, links, params, tags

__all__ = ["read_runs"]

_NAN = float("nan")
_SOME: BindParameter[Any] = bindparam("numbers", expanding=True)
# These statements are built once: to build one costs as much as to run it.
_POINTS = select(
    latest.c.run, latest.c.key, latest.c.value, latest.c.nan, latest.c.timestamp, latest.c.step
).where(latest.c.run.in_(_SOME))  # fmt: skip
_PARAMS = select(params).where(params.c.run.in_(_SOME))
_TAGS = select(tags).where(tags.c.run.in_(_SOME))
_LINKS = select(links).where(links.c.run.in_(_SOME))
_DATASETS = (
    select(inputs.c.run, inputs.c.tags, *datasets.c)
    .join(datasets, datasets.c.number == inputs.c.dataset)
    .where(inputs.c.run.in_(_SOME))
)


def read_runs(reader: Reader, rows: Sequence[Row[Any]]) -> list[Run]:
    """The runs of rows of the table, in their order."""
    measured: dict[int, list[Metric]] = defaultdict(list)
    given: dict[int, dict[str, str]] = defaultdict(dict)
    tagged: dict[int, dict[str, str]] = defaultdict(dict)
    linked: dict[int, list[ModelLink]] = defaultdict(list)
    read: dict[int, list[DatasetInput]] = defaultdict(list)
    for numbers in chunks(row.number for row in rows):
        some = {"numbers": numbers}
        point: Any
        for point in reader.execute(_POINTS, some):
            run, key, value, nan, timestamp, step = point
            measured[run].append(Metric(key, _NAN if nan else value, timestamp, step))
        for statement, into in ((_PARAMS, given), (_TAGS, tagged)):
            for run, key, value in reader.execute(statement, some):
                into[run][key] = value
        for run, kind, model, step in reader.execute(_LINKS, some):
            linked[run].append(ModelLink(kind, model, step))
        for run, dataset in _datasets(reader, some):
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


def _datasets(reader: Reader, some: dict[str, list[int]]) -> list[tuple[int, DatasetInput]]:
    return [
        (
            row.run,
            DatasetInput(
                row.name, row.digest, row.source_type, row.source, row.schema, row.profile, json.loads(row.tags)
            ),
        )
        for row in reader.execute(_DATASETS, some)
    ]
